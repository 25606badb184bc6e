// SPDX-License-Identifier: GPL-2.0
/*
 * Plays ip(8) for a plug-in: parses an option line and prints what came of
 * it, first as text, then as JSON. Needs no kernel module.
 *
 * check PLUGIN.so KIND [OPTION...]
 * Options of the form +TYPE:SIZE=VALUE append an attribute as a kernel would.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "iproute2.h"

static bool json;

bool is_json_context(void)
{
	return json;
}

int print_color_uint(enum output_type t, int color, const char *key,
		     const char *fmt, unsigned int value)
{
	(void)t; (void)color; (void)fmt;
	return printf("\"%s\":%u,", key, value);
}

int print_color_u64(enum output_type t, int color, const char *key,
		    const char *fmt, unsigned long long value)
{
	(void)t; (void)color; (void)fmt;
	return printf("\"%s\":%llu,", key, value);
}

int print_color_bool(enum output_type t, int color, const char *key,
		     const char *fmt, bool value)
{
	(void)t; (void)color; (void)fmt;
	return printf("\"%s\":%s,", key, value ? "true" : "false");
}

int print_color_string(enum output_type t, int color, const char *key,
		       const char *fmt, const char *value)
{
	(void)t; (void)color; (void)fmt;
	return printf("\"%s\":\"%s\",", key, value);
}

int addattr_l(struct nlmsghdr *n, int maxlen, int type, const void *data,
	      int alen)
{
	struct rtattr *rta = (void *)((char *)n + NLMSG_ALIGN(n->nlmsg_len));

	if (NLMSG_ALIGN(n->nlmsg_len) + RTA_ALIGN(RTA_LENGTH(alen)) > (unsigned int)maxlen)
		return -1;
	rta->rta_type = type;
	rta->rta_len = RTA_LENGTH(alen);
	memcpy(RTA_DATA(rta), data, alen);
	n->nlmsg_len = NLMSG_ALIGN(n->nlmsg_len) + RTA_ALIGN(rta->rta_len);
	return 0;
}

int main(int argc, char **argv)
{
	static union {
		struct nlmsghdr n;
		char room[LINK_REQ_MAX];
	} req = { .n.nlmsg_len = NLMSG_LENGTH(0) };
	struct rtattr *tb[32] = { NULL }, *rta;
	struct link_util *lu;
	char symbol[64];
	void *so;
	int left, words;

	if (argc < 3)
		return 2;
	so = dlopen(argv[1], RTLD_NOW);
	if (!so) {
		fprintf(stderr, "%s\n", dlerror());
		return 2;
	}
	snprintf(symbol, sizeof(symbol), "%s_link_util", argv[2]);
	lu = dlsym(so, symbol);
	if (!lu || strcmp(lu->id, argv[2]) || lu->maxattr >= 32)
		return 2;

	for (words = 3; words < argc && argv[words][0] != '+'; words++)
		;
	if (words > 3 && lu->parse_opt(lu, words - 3, argv + 3, &req.n))
		return 1;
	for (; words < argc; words++) {
		unsigned int type, size;
		unsigned long value;

		if (sscanf(argv[words], "+%u:%u=%lu", &type, &size, &value) != 3 ||
		    size > sizeof(value))
			return 2;
		addattr_l(&req.n, sizeof(req), type, &value, size);
	}

	left = req.n.nlmsg_len - NLMSG_LENGTH(0);
	for (rta = NLMSG_DATA(&req.n); RTA_OK(rta, left); rta = RTA_NEXT(rta, left))
		if (rta->rta_type <= lu->maxattr)
			tb[rta->rta_type] = rta;
	printf("%s ", lu->id);
	lu->print_opt(lu, stdout, tb);
	printf("| ");
	json = true;
	lu->print_opt(lu, stdout, tb);
	lu->print_opt(lu, stdout, NULL);
	printf("\n");
	return 0;
}
