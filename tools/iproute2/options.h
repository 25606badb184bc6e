/* SPDX-License-Identifier: GPL-2.0 */
/* Options of the kinds vnic and etherstub: one way to read, one to print. */
#ifndef VNIC_OPTIONS_H
#define VNIC_OPTIONS_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "iproute2.h"

/* The longest name of a device, and of a pool. */
#define NAME_LEN_MAX 15

/* The longest list of CPUs. */
#define CPUS_LEN_MAX 95

/* The words on the command line that are still to be read. */
struct args {
	int argc;
	char **argv;
};

static inline void args_advance(struct args *args)
{
	args->argc--;
	args->argv++;
}

/* The value that follows the word args stands on, or NULL with a message. */
static inline const char *args_value(struct args *args)
{
	const char *key = *args->argv;

	args_advance(args);
	if (args->argc <= 0) {
		fprintf(stderr, "Error: \"%s\" needs a value.\n", key);
		return NULL;
	}
	return *args->argv;
}

/*
 * Whether an option was given already; it is an error to give one twice,
 * because only one of the two values could count.
 */
static inline bool seen_twice(unsigned int *seen, int attr, const char *key,
			      const char *value)
{
	unsigned int bit = 1U << attr;

	if (*seen & bit) {
		fprintf(stderr,
			"Error: duplicate \"%s\": \"%s\" is the second value.\n",
			key, value);
		return true;
	}
	*seen |= bit;
	return false;
}

/* A whole number from min to max. Decimal, or hexadecimal with 0x. */
static inline int parse_number(const char *key, const char *value,
			       unsigned long min, unsigned long max,
			       unsigned long *out)
{
	char *end;

	errno = 0;
	*out = strtoul(value, &end, 0);
	if (errno || end == value || *end || strchr(value, '-') ||
	    *out < min || *out > max) {
		fprintf(stderr,
			"Error: argument of \"%s\" must be a number from %lu to %lu, not \"%s\"\n",
			key, min, max, value);
		return -1;
	}
	return 0;
}

/* The place of value in a list of words. */
static inline int parse_word(const char *key, const char *value,
			     const char *const *words, int count)
{
	int i;

	for (i = 0; i < count; i++)
		if (!strcmp(value, words[i]))
			return i;

	fprintf(stderr, "Error: argument of \"%s\" must be ", key);
	for (i = 0; i < count; i++)
		fprintf(stderr, "%s\"%s\"",
			!i ? "" : i == count - 1 ? " or " : ", ", words[i]);
	fprintf(stderr, ", not \"%s\"\n", value);
	return -1;
}

/* What can be the name of a pool is the kernel's to say, but for its length. */
static inline int parse_name(const char *key, const char *value)
{
	if (*value && strlen(value) <= NAME_LEN_MAX)
		return 0;
	fprintf(stderr,
		"Error: argument of \"%s\" must be a name of 1 to %d bytes, not \"%s\"\n",
		key, NAME_LEN_MAX, value);
	return -1;
}

/* Which CPUs there are is the kernel's to say. */
static inline int parse_cpus(const char *key, const char *value)
{
	if (!strcmp(value, "any") ||
	    (*value && strlen(value) <= CPUS_LEN_MAX &&
	     strspn(value, "0123456789,-") == strlen(value)))
		return 0;
	fprintf(stderr,
		"Error: argument of \"%s\" must be a list like 0-3,8, or \"any\", not \"%s\"\n",
		key, value);
	return -1;
}

static const char *const on_off[] = { "off", "on" };

static inline void add_u8(struct nlmsghdr *n, int attr, __u8 value)
{
	addattr_l(n, LINK_REQ_MAX, attr, &value, sizeof(value));
}

static inline void add_u16(struct nlmsghdr *n, int attr, __u16 value)
{
	addattr_l(n, LINK_REQ_MAX, attr, &value, sizeof(value));
}

static inline void add_u32(struct nlmsghdr *n, int attr, __u32 value)
{
	addattr_l(n, LINK_REQ_MAX, attr, &value, sizeof(value));
}

static inline void add_u64(struct nlmsghdr *n, int attr, __u64 value)
{
	addattr_l(n, LINK_REQ_MAX, attr, &value, sizeof(value));
}

static inline void add_text(struct nlmsghdr *n, int attr, const char *value)
{
	addattr_l(n, LINK_REQ_MAX, attr, value, strlen(value) + 1);
}

static inline void show_uint(FILE *f, const char *key, unsigned int value)
{
	if (is_json_context())
		print_color_uint(PRINT_JSON, 0, key, NULL, value);
	else
		fprintf(f, "%s %u ", key, value);
}

static inline void show_text(FILE *f, const char *key, const char *value)
{
	if (is_json_context())
		print_color_string(PRINT_JSON, 0, key, NULL, value);
	else
		fprintf(f, "%s %s ", key, value);
}

static inline void show_on_off(FILE *f, const char *key, bool value)
{
	if (is_json_context())
		print_color_bool(PRINT_JSON, 0, key, NULL, value);
	else
		fprintf(f, "%s %s ", key, on_off[value]);
}

static inline void show_word(FILE *f, const char *key, unsigned int value,
			     const char *const *words, unsigned int count)
{
	show_text(f, key, value < count ? words[value] : "unknown");
}

#define ARRAY_SIZE(a) ((int)(sizeof(a) / sizeof((a)[0])))

#endif /* VNIC_OPTIONS_H */
