/* SPDX-License-Identifier: GPL-2.0 */
/* Limits of the kind vnic: rates and times as tc(8) has them. */
#ifndef VNIC_LIMITS_H
#define VNIC_LIMITS_H

#include <strings.h>

#include "options.h"
#include "../../include/uapi/linux/vnic_link.h"

struct unit {
	const char *name;
	__u64 factor;
};

static const struct unit rate_units[] = {
	{ "t", 1000000000000ULL },
	{ "g", 1000000000 },
	{ "m", 1000000 },
	{ "k", 1000 },
	{ "ti", 1ULL << 40 },
	{ "gi", 1 << 30 },
	{ "mi", 1 << 20 },
	{ "ki", 1 << 10 },
	{ "", 1 },
	{ }
};

static const struct unit time_units[] = {
	{ "s", 1000000 },
	{ "sec", 1000000 },
	{ "secs", 1000000 },
	{ "ms", 1000 },
	{ "msec", 1000 },
	{ "msecs", 1000 },
	{ "us", 1 },
	{ "usec", 1 },
	{ "usecs", 1 },
	{ "", 1 },
	{ }
};

/* In which they are shown, the largest first. */
static const struct unit rates_shown[] = {
	{ "T", 1000000000000ULL },
	{ "G", 1000000000 },
	{ "M", 1000000 },
	{ "K", 1000 },
	{ "", 1 },
	{ }
};

static const struct unit times_shown[] = {
	{ "s", 1000000 },
	{ "ms", 1000 },
	{ "us", 1 },
	{ }
};

static const char *const priority_words[] = {
	[VNIC_PRIORITY_HIGH] = "high",
	[VNIC_PRIORITY_MEDIUM] = "medium",
	[VNIC_PRIORITY_LOW] = "low",
};

/* More digits than any limit has. */
#define DIGITS_MAX 18

/*
 * The number in front of text, perhaps with a point in it, times what is
 * behind it, once suffix is taken off its end. False if that is no whole
 * number, or no unit.
 */
static inline bool scaled(const char *text, const struct unit *units,
			  const char *suffix, __u64 factor, __u64 *out)
{
	unsigned int digits = 0, fraction = 0;
	unsigned __int128 product;
	bool point = false;
	__u64 number = 0;
	size_t length;

	for (; (*text >= '0' && *text <= '9') || *text == '.'; text++) {
		if (*text == '.') {
			if (point || !digits)
				return false;
			point = true;
			continue;
		}
		if (++digits > DIGITS_MAX)
			return false;
		number = number * 10 + (*text - '0');
		fraction += point;
	}
	length = strlen(text);
	if (!digits || (point && !fraction) || length < strlen(suffix) ||
	    strcasecmp(text + length - strlen(suffix), suffix))
		return false;
	length -= strlen(suffix);
	for (; units->name; units++)
		if (strlen(units->name) == length &&
		    !strncasecmp(units->name, text, length))
			break;
	if (!units->name)
		return false;
	product = (unsigned __int128)number * units->factor * factor;
	for (; fraction; fraction--) {
		if (product % 10)
			return false;
		product /= 10;
	}
	*out = product;
	return *out == product;
}

/* Bits a second; 0 for none. */
static inline int parse_rate(const char *key, const char *value, __u64 *bits)
{
	*bits = 0;
	if (!strcmp(value, "none"))
		return 0;
	if ((scaled(value, rate_units, "", 1, bits) ||
	     scaled(value, rate_units, "bit", 1, bits) ||
	     scaled(value, rate_units, "bps", 8, bits)) &&
	    (!*bits || (*bits >= VNIC_MAXBW_MIN && *bits <= VNIC_MAXBW_MAX)))
		return 0;
	fprintf(stderr,
		"Error: argument of \"%s\" must be a rate from 8K to 1T bits a second, like 50M or 100mbit, or \"none\", not \"%s\"\n",
		key, value);
	return -1;
}

/* Packets a second; 0 for none. */
static inline int parse_packets(const char *key, const char *value,
				unsigned long *packets)
{
	*packets = 0;
	if (!strcmp(value, "none"))
		return 0;
	return parse_number(key, value, 0, VNIC_MAXPPS_MAX, packets);
}

/* Microseconds. */
static inline int parse_delay(const char *key, const char *value, __u64 *time)
{
	if (scaled(value, time_units, "", 1, time) &&
	    *time >= VNIC_LIMIT_DELAY_MIN && *time <= VNIC_LIMIT_DELAY_MAX)
		return 0;
	fprintf(stderr,
		"Error: argument of \"%s\" must be a time from 100us to 1s, like 5ms, not \"%s\"\n",
		key, value);
	return -1;
}

static inline void show_scaled(FILE *f, const char *key, __u64 number,
			       const struct unit *units)
{
	while (number % units->factor)
		units++;
	fprintf(f, "%s %llu%s ", key,
		(unsigned long long)(number / units->factor), units->name);
}

/* What is limited in both directions to the same is one. */
static inline void show_rates(FILE *f, struct rtattr *tb[])
{
	__u64 rx = 0, tx = 0;
	__u32 in = 0, out = 0;

	attr_uint(tb[IFLA_VNIC_RX_MAXBW], &rx);
	attr_uint(tb[IFLA_VNIC_TX_MAXBW], &tx);
	attr_u32(tb[IFLA_VNIC_RX_MAXPPS], &in);
	attr_u32(tb[IFLA_VNIC_TX_MAXPPS], &out);
	if (rx && rx == tx) {
		show_scaled(f, "maxbw", rx, rates_shown);
	} else {
		if (rx)
			show_scaled(f, "rx-maxbw", rx, rates_shown);
		if (tx)
			show_scaled(f, "tx-maxbw", tx, rates_shown);
	}
	if (in && in == out) {
		show_uint(f, "maxpps", in);
	} else {
		if (in)
			show_uint(f, "rx-maxpps", in);
		if (out)
			show_uint(f, "tx-maxpps", out);
	}
}

/* For the eye what is not as it is at first; in JSON all that the kernel says. */
static inline void show_limits(FILE *f, struct rtattr *tb[])
{
	__u16 share;
	__u32 number;
	__u64 bits;
	__u8 byte;

	if (!is_json_context()) {
		show_rates(f, tb);
		if (attr_u32(tb[IFLA_VNIC_LIMIT_DELAY], &number) &&
		    number != VNIC_LIMIT_DELAY_DEFAULT)
			show_scaled(f, "limit-delay", number, times_shown);
		if (attr_u16(tb[IFLA_VNIC_SHARE], &share) &&
		    share != VNIC_SHARE_DEFAULT)
			show_uint(f, "share", share);
		if (attr_u8(tb[IFLA_VNIC_PRIORITY], &byte) &&
		    byte != VNIC_PRIORITY_MEDIUM)
			show_word(f, "priority", byte, priority_words,
				  ARRAY_SIZE(priority_words));
		return;
	}
	if (attr_uint(tb[IFLA_VNIC_RX_MAXBW], &bits))
		print_color_u64(PRINT_JSON, 0, "rx_maxbw", NULL, bits);
	if (attr_uint(tb[IFLA_VNIC_TX_MAXBW], &bits))
		print_color_u64(PRINT_JSON, 0, "tx_maxbw", NULL, bits);
	if (attr_u32(tb[IFLA_VNIC_RX_MAXPPS], &number))
		show_uint(f, "rx_maxpps", number);
	if (attr_u32(tb[IFLA_VNIC_TX_MAXPPS], &number))
		show_uint(f, "tx_maxpps", number);
	if (attr_u32(tb[IFLA_VNIC_LIMIT_DELAY], &number))
		show_uint(f, "limit_delay", number);
	if (attr_u16(tb[IFLA_VNIC_SHARE], &share))
		show_uint(f, "share", share);
	if (attr_u8(tb[IFLA_VNIC_PRIORITY], &byte))
		show_word(f, "priority", byte, priority_words,
			  ARRAY_SIZE(priority_words));
}

/* The attributes of a word: two if it says both directions, or none. */
struct limit_word {
	const char *word;
	int attr, other;
};

/*
 * Takes the option that args stands on if it is one of limits: 1; 0 if it is
 * none, -1 with a message if it makes no sense.
 */
static inline int parse_limit(struct args *args, unsigned int *seen,
			      struct nlmsghdr *n)
{
	static const struct limit_word words[] = {
		{ "maxbw", IFLA_VNIC_RX_MAXBW, IFLA_VNIC_TX_MAXBW },
		{ "rx-maxbw", IFLA_VNIC_RX_MAXBW, 0 },
		{ "tx-maxbw", IFLA_VNIC_TX_MAXBW, 0 },
		{ "maxpps", IFLA_VNIC_RX_MAXPPS, IFLA_VNIC_TX_MAXPPS },
		{ "rx-maxpps", IFLA_VNIC_RX_MAXPPS, 0 },
		{ "tx-maxpps", IFLA_VNIC_TX_MAXPPS, 0 },
		{ "limit-delay", IFLA_VNIC_LIMIT_DELAY, 0 },
		{ "share", IFLA_VNIC_SHARE, 0 },
		{ "priority", IFLA_VNIC_PRIORITY, 0 },
		{ }
	};
	const char *key = *args->argv, *value;
	const struct limit_word *word = words;
	unsigned long number;
	__u64 wide;
	int place;

	while (word->word && strcmp(word->word, key))
		word++;
	if (!word->word)
		return 0;
	value = args_value(args);
	if (!value || seen_twice(seen, word->attr, key, value) ||
	    (word->other && seen_twice(seen, word->other, key, value)))
		return -1;
	switch (word->attr) {
	case IFLA_VNIC_RX_MAXBW:
	case IFLA_VNIC_TX_MAXBW:
		if (parse_rate(key, value, &wide))
			return -1;
		add_u64(n, word->attr, wide);
		if (word->other)
			add_u64(n, word->other, wide);
		return 1;
	case IFLA_VNIC_RX_MAXPPS:
	case IFLA_VNIC_TX_MAXPPS:
		if (parse_packets(key, value, &number))
			return -1;
		add_u32(n, word->attr, number);
		if (word->other)
			add_u32(n, word->other, number);
		return 1;
	case IFLA_VNIC_LIMIT_DELAY:
		if (parse_delay(key, value, &wide))
			return -1;
		add_u32(n, word->attr, wide);
		return 1;
	case IFLA_VNIC_SHARE:
		if (parse_number(key, value, VNIC_SHARE_MIN, VNIC_SHARE_MAX,
				 &number))
			return -1;
		add_u16(n, word->attr, number);
		return 1;
	default:
		place = parse_word(key, value, priority_words,
				   ARRAY_SIZE(priority_words));
		if (place < 0)
			return -1;
		add_u8(n, word->attr, place);
		return 1;
	}
}

#endif /* VNIC_LIMITS_H */
