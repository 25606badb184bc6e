// SPDX-License-Identifier: GPL-2.0
/*
 * Sends requests by netlink that nobody would send: of the form that the specification describes, with random values, and such whose form
 * is damaged. What there is to ask for is in the header that fuzz.py writes: sets of attributes, and operations.
 *
 *	fuzz SEED COUNT FAMILY CREATE-PERCENT GROUP[,GROUP…] POOL=VALUE[,VALUE…]…
 *
 * CREATE-PERCENT of the requests for links may make one. GROUPs are joined now and then, for events to be made. A POOL has numbers that mean
 * something: of VNICs, of devices.
 *
 * Says in the end how many messages were sent, and which errors were answered how often, by operations.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/if.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum type { U8, U16, U32, S32, UINT, STRING, BINARY, FLAG, NEST };

struct attr {
	uint16_t number;
	uint8_t type;
	/* Of 100 messages so many have it; how often it is repeated. */
	uint8_t percent, repeats;
	int8_t pool;
	/* Of a number, or of a length. */
	uint64_t min, max;
	const struct set *nested;
};

struct set {
	const struct attr *attrs;
	int count;
};

struct operation {
	const char *name;
	uint16_t command, flags, weight;
	bool generic;
	struct set own;
	/* All attributes of the kind, not just those that it takes. */
	const struct set *all;
};

#include "fuzz-spec.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))
#define MOST_ERRNO 534

static uint64_t state;

static uint64_t rnd(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static unsigned int below(unsigned int limit)
{
	return (unsigned int)((rnd() >> 32) * limit >> 32);
}

static bool chance(unsigned int percent)
{
	return below(100) < percent;
}

/* --- pools ------------------------------------------------------------------ */

static uint64_t pools[COUNT(pool_names)][512];
static unsigned int pool_sizes[COUNT(pool_names)];

static void fill_pool(char *word)
{
	char *value, *text = strchr(word, '=');

	*text++ = 0;
	for (int i = 0; i < COUNT(pool_names); i++) {
		if (strcmp(pool_names[i], word))
			continue;
		while ((value = strsep(&text, ",")) && pool_sizes[i] < 512)
			if (*value)
				pools[i][pool_sizes[i]++] = strtoull(value, NULL, 10);
	}
}

/* --- messages --------------------------------------------------------------- */

/* A batch is sent as soon as it is longer, and no message makes it longer than this. */
#define FULL (48 * 1024)
#define LIMIT (128 * 1024)

/* The longest attribute may come last. */
static uint8_t batch[LIMIT + 80 * 1024];
static unsigned int end;

static bool full(void)
{
	return end > LIMIT - 4096;
}

static void put(const void *data, unsigned int len)
{
	memcpy(batch + end, data, len);
	end += len;
	while (end & 3)
		batch[end++] = 0;
}

static void put_random(unsigned int len)
{
	while (len--)
		batch[end++] = (uint8_t)rnd();
	while (end & 3)
		batch[end++] = 0;
}

static unsigned int begin(uint16_t number)
{
	struct nlattr head = { .nla_type = number };
	unsigned int at = end;

	put(&head, sizeof(head));
	return at;
}

/* The length is what follows the header; one that is too long for its field is cut, which makes the message malformed. */
static void finish(unsigned int at, unsigned int len)
{
	((struct nlattr *)(batch + at))->nla_len = (uint16_t)(sizeof(struct nlattr) + len);
}

/* Whether this message is to have values that make sense: few would, if each of many attributes now and then did not. */
static bool careful;

static uint64_t some_number(const struct attr *attr)
{
	static const uint64_t edges[] = {
		0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000,
		0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff,
	};
	uint64_t span = attr->max - attr->min;

	switch (careful ? 20 : below(20)) {
	case 0:
		return edges[below(COUNT(edges))];
	case 1:
		return below(2) ? attr->min - below(2) : attr->max + below(2);
	case 2:
		return rnd();
	case 3:
	case 4:
		return attr->min + (span == UINT64_MAX ? rnd() : rnd() % (span + 1));
	default:
		if (attr->pool >= 0 && pool_sizes[attr->pool])
			return pools[attr->pool][below(pool_sizes[attr->pool])];
		return attr->min + below(span < 16 ? (unsigned int)span + 1 : 16);
	}
}

/* Returns its length without what fills it up. */
static unsigned int put_string(const struct attr *attr)
{
	char text[300];
	unsigned int len;

	if (careful || chance(80)) {
		if (attr->pool == POOL_KINDS)
			len = (unsigned int)sprintf(text, "%s", below(3) ? "vnic" : "etherstub");
		else
			len = (unsigned int)sprintf(text, "f%u", below(12));
		len += careful || !chance(5);
	} else {
		len = below(10) ? below(40) : below(sizeof(text));
		for (unsigned int i = 0; i < len; i++)
			text[i] = (char)(chance(60) ? 'a' + below(26) : rnd());
	}
	put(text, len);
	return len;
}

/* Mostly of a permitted length, and an address that a VNIC can have. */
static void put_binary(const struct attr *attr)
{
	unsigned int len = (unsigned int)attr->max;

	if (attr->min != attr->max)
		len = below(4) ? (unsigned int[]){ 4, 6, 16 }[below(3)] : below(20);
	if ((careful || chance(85)) && len) {
		uint8_t bytes[16] = { 2, 0, 0, 0, 0, (uint8_t)below(24) };

		put(bytes, len < 16 ? len : 16);
	} else {
		put_random(len);
	}
}

static void put_set(const struct set *set, int depth);

static void put_attr(const struct attr *attr, int depth)
{
	unsigned int at, from;
	uint64_t value;

	at = begin(attr->number | (attr->type == NEST ? NLA_F_NESTED : 0));
	from = end;
	if (!careful && chance(2)) {
		unsigned int len = below(20);

		put_random(len);
		finish(at, len);
		return;
	}
	switch (attr->type) {
	case U8:
	case U16:
	case U32:
	case S32:
	case UINT: {
		unsigned int len = attr->type == U8 ? 1 : attr->type == U16 ? 2 : 4;

		value = some_number(attr);
		if (attr->type == UINT && (value >> 32 || chance(10)))
			len = 8;
		put(&value, len);
		finish(at, len);
		return;
	}
	case FLAG:
		break;
	case STRING:
		finish(at, put_string(attr));
		return;
	case BINARY:
		put_binary(attr);
		/* Its own length, not that with what fills it up. */
		if (attr->min == attr->max) {
			finish(at, (unsigned int)attr->max);
			return;
		}
		break;
	case NEST:
		if (depth < 8)
			put_set(attr->nested, depth + 1);
		break;
	}
	finish(at, end - from);
}

static void put_set(const struct set *set, int depth)
{
	for (int i = 0; i < set->count; i++) {
		const struct attr *attr = &set->attrs[i];
		unsigned int times = chance(attr->percent);

		if (times && attr->repeats > 1 && chance(60))
			times = 1 + below(!careful && chance(10) ? attr->repeats : 4);
		while (times-- && !full())
			put_attr(attr, depth);
	}
}

/* --- damage ----------------------------------------------------------------- */

static void flip_bits(unsigned int from)
{
	if (end > from)
		for (unsigned int n = 1 + below(8); n; n--)
			batch[from + below(end - from)] ^= (uint8_t)(1 << below(8));
}

/* Cuts the message, which says so itself, wherever its attributes are. */
static void cut(unsigned int from)
{
	if (end > from)
		end = from + below(end - from);
	while (end & 3)
		batch[end++] = 0;
}

/* One attribute says that it is of another length. */
static void wrong_length(unsigned int from)
{
	unsigned int at = from, found = from;

	for (unsigned int n = 0; at + 4 <= end; n++) {
		struct nlattr *attr = (struct nlattr *)(batch + at);

		if (!below(n + 1))
			found = at;
		if (attr->nla_len < 4)
			break;
		/* Also those within it. */
		at += (attr->nla_type & NLA_F_NESTED) && below(2) ? 4 : (attr->nla_len + 3u) & ~3u;
	}
	if (found + 4 <= end)
		((struct nlattr *)(batch + found))->nla_len = (uint16_t)(chance(50) ? below(24) : rnd());
}

static void too_long(const struct set *set)
{
	unsigned int at = begin(set->count ? set->attrs[below(set->count)].number : (uint16_t)below(20));
	unsigned int len = chance(80) ? below(600) : below(65532);

	put_random(len);
	finish(at, len);
}

static void too_deep(const struct set *set)
{
	unsigned int at[1024], depth = chance(70) ? 1 + below(24) : below(1024);

	for (unsigned int i = 0; i < depth; i++)
		at[i] = begin((set->count ? set->attrs[below(set->count)].number : 1) | NLA_F_NESTED);
	put_random(below(16));
	while (depth--)
		finish(at[depth], end - at[depth] - 4);
}

static void repeated(const struct set *set)
{
	unsigned int times = chance(80) ? below(16) : below(400);

	while (set->count && times-- && !full())
		put_attr(&set->attrs[below(set->count)], 0);
}

static void anything(const struct set *set)
{
	unsigned int times = below(12);

	while (times-- && !full()) {
		struct attr attr = { .number = (uint16_t)(chance(80) ? below(24) : rnd() & 0x3fff), .type = UINT, .max = UINT64_MAX };

		if (chance(30))
			attr = set->attrs[below(set->count)];
		put_attr(&attr, 0);
	}
}

/* Requests for another namespace, by its number here: not even by accident where no such numbers were given. */
static void hide_targets(unsigned int from)
{
	for (unsigned int at = from; at + 4 <= end;) {
		struct nlattr *attr = (struct nlattr *)(batch + at);

		if (attr->nla_len < 4)
			return;
		if ((attr->nla_type & NLA_TYPE_MASK) == IFLA_TARGET_NETNSID)
			attr->nla_type = 1000;
		at += (attr->nla_len + 3u) & ~3u;
	}
}

/* --- sending and reading ---------------------------------------------------- */

static uint64_t answers[COUNT(operations)][MOST_ERRNO];
static uint64_t sent, described;
/* Which operation a message was of, by its number. */
static uint8_t operation_of[4096];

static int open_socket(int protocol, char *groups)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol), on = 1, off = below(2);

	if (fd < 0) {
		perror("socket");
		exit(1);
	}
	setsockopt(fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &on, sizeof(on));
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &off, sizeof(off));
	/* The longest batch fits. */
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &(int){ LIMIT * 3 / 2 }, sizeof(int));
	off = below(2);
	setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &off, sizeof(off));
	if (protocol == NETLINK_GENERIC && below(2)) {
		char copy[64], *word, *rest = copy;

		snprintf(copy, sizeof(copy), "%s", groups);
		/* Only who administers the namespace may. */
		while ((word = strsep(&rest, ","))) {
			int group = atoi(word);

			setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group));
		}
	}
	return fd;
}

static void look_at(const uint8_t *data, unsigned int len)
{
	while (len >= sizeof(struct nlmsghdr)) {
		const struct nlmsghdr *head = (const void *)data;
		unsigned int step = NLMSG_ALIGN(head->nlmsg_len);

		if (head->nlmsg_len < sizeof(*head) || head->nlmsg_len > len)
			return;
		if (head->nlmsg_type == NLMSG_ERROR) {
			int error = -((const struct nlmsgerr *)NLMSG_DATA(head))->error;
			unsigned int operation = operation_of[head->nlmsg_seq & 4095];

			if (error >= 0 && error < MOST_ERRNO)
				answers[operation][error]++;
		} else if (head->nlmsg_type != NLMSG_DONE) {
			described++;
		}
		if (step >= len)
			return;
		data += step;
		len -= step;
	}
}

static void drain(int fd)
{
	static uint8_t buffer[256 * 1024] __attribute__((aligned(8)));
	ssize_t len;

	for (int i = 0; i < 10000; i++) {
		len = recv(fd, buffer, chance(2) ? 700 : sizeof(buffer), MSG_DONTWAIT);
		if (len < 0 && errno == EAGAIN)
			return;
		if (len > 0)
			look_at(buffer, (unsigned int)len);
	}
}

/* --- requests --------------------------------------------------------------- */

static void put_header(const struct operation *operation, unsigned int create)
{
	if (operation->generic) {
		struct genlmsghdr head = { .cmd = (uint8_t)operation->command, .version = 1 };

		if (chance(2))
			head.cmd = (uint8_t)(chance(70) ? below(40) : rnd());
		if (chance(2))
			head.version = (uint8_t)rnd();
		if (chance(1))
			head.reserved = (uint16_t)rnd();
		put(&head, sizeof(head));
	} else {
		struct ifinfomsg head = { .ifi_family = 0 };
		const uint64_t *pool = pools[POOL_OWN_LINKS];

		/* A name says which, or there is none yet. */
		if (!chance(create) && pool_sizes[POOL_OWN_LINKS])
			head.ifi_index = (int)pool[below(pool_sizes[POOL_OWN_LINKS])];
		if (chance(3))
			head.ifi_index = (int)(rnd() | 1 << 20);
		if (chance(30)) {
			head.ifi_flags = (unsigned int)rnd();
			head.ifi_change = chance(70) ? IFF_UP | IFF_PROMISC | IFF_ALLMULTI : (unsigned int)rnd();
		}
		put(&head, sizeof(head));
	}
}

/* Returns where the attributes begin. */
static unsigned int request(const struct operation *operation, uint16_t family, unsigned int create)
{
	struct nlmsghdr head = {
		.nlmsg_type = operation->generic ? family : operation->command,
		.nlmsg_flags = NLM_F_REQUEST | operation->flags,
		.nlmsg_seq = (uint32_t)sent,
	};
	const struct set *own = &operation->own, *all = operation->all;
	unsigned int at = end, body;

	operation_of[sent & 4095] = (uint8_t)(operation - operations);
	if (below(2))
		head.nlmsg_flags |= NLM_F_ACK;
	if (!operation->generic && chance(create))
		head.nlmsg_flags |= NLM_F_CREATE | (below(2) ? NLM_F_EXCL : 0);
	/* Without that of requests nothing looks at it. */
	if (chance(2))
		head.nlmsg_flags = (uint16_t)rnd() | NLM_F_REQUEST;
	put(&head, sizeof(head));
	put_header(operation, create);
	body = end;
	careful = below(2);
	switch (below(20)) {
	case 0:
	case 1:
		put_set(own, 0);
		flip_bits(body);
		break;
	case 2:
		put_set(own, 0);
		cut(body);
		break;
	case 3:
		put_set(own, 0);
		wrong_length(body);
		break;
	case 4:
		put_set(own, 0);
		too_long(chance(70) ? own : all);
		break;
	case 5:
		too_deep(chance(70) ? own : all);
		break;
	case 6:
		put_set(own, 0);
		repeated(chance(70) ? own : all);
		break;
	case 7:
		put_random(below(chance(90) ? 64 : 4000));
		break;
	case 8:
		anything(all);
		break;
	case 9:
		put_set(all, 0);
		break;
	default:
		put_set(own, 0);
	}
	if (!operation->generic && !pool_sizes[POOL_TARGETS])
		hide_targets(body);
	((struct nlmsghdr *)(batch + at))->nlmsg_len = end - at;
	return at;
}

int main(int argc, char **argv)
{
	uint16_t family, total = 0;
	unsigned int create, in_batch, last = 0;
	uint64_t count;
	int sockets[2];

	if (argc < 6)
		return 2;
	state = strtoull(argv[1], NULL, 10);
	count = strtoull(argv[2], NULL, 10);
	family = (uint16_t)atoi(argv[3]);
	create = (unsigned int)atoi(argv[4]);
	for (int i = 6; i < argc; i++)
		fill_pool(argv[i]);
	for (int i = 0; i < COUNT(operations); i++)
		total += operations[i].weight;
	for (int i = 0; i < 2; i++)
		sockets[i] = open_socket(i ? NETLINK_GENERIC : NETLINK_ROUTE, argv[5]);

	while (sent < count) {
		bool generic = chance(RTNETLINK_PERCENT) ? false : true;
		int fd = sockets[generic];

		for (in_batch = 0, end = 0; in_batch < 50 && end < FULL && sent < count;) {
			unsigned int pick = below(total);
			const struct operation *operation = operations;

			while (pick >= operation->weight)
				pick -= operation++->weight;
			if (operation->generic != generic)
				continue;
			last = request(operation, family, create);
			in_batch++;
			sent++;
		}
		/* What says that it is longer than the batch, or too short, ends it. */
		if (chance(3))
			((struct nlmsghdr *)(batch + last))->nlmsg_len += chance(50) ? 1 + below(5000) : -(uint32_t)below(end - last);
		while (send(fd, batch, end, 0) < 0) {
			/* Longer than the socket takes. */
			if (errno == EMSGSIZE || errno == EINVAL)
				break;
			if (errno != EINTR && errno != EAGAIN && errno != ENOBUFS) {
				perror("send");
				return 1;
			}
			drain(fd);
		}
		/* In the middle of a dump, too. */
		if (chance(1)) {
			close(fd);
			sockets[generic] = open_socket(generic ? NETLINK_GENERIC : NETLINK_ROUTE, argv[5]);
		} else {
			drain(fd);
		}
	}
	printf("sent %llu described %llu\n", (unsigned long long)sent, (unsigned long long)described);
	for (int i = 0; i < COUNT(operations); i++)
		for (int j = 0; j < MOST_ERRNO; j++)
			if (answers[i][j])
				printf("%s %d %llu\n", operations[i].name, j, (unsigned long long)answers[i][j]);
	return 0;
}
