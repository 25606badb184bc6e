// SPDX-License-Identifier: GPL-2.0
/* ip link ... type etherstub */

#include "options.h"
#include "../../include/uapi/linux/vnic_link.h"

static void etherstub_usage(FILE *f)
{
	fprintf(f,
		"Usage: ... etherstub [ host { on | off } ]\n"
		"\n"
		"A switch without a wire: VNICs are put on it with \"link STUB ... type vnic\".\n"
		"host  whether the stub's own interface is a port for the host; on by default.\n");
}

static int etherstub_parse_opt(struct link_util *lu, int argc, char **argv,
			       struct nlmsghdr *n)
{
	struct args args = { argc, argv };
	unsigned int seen = 0;

	for (; args.argc > 0; args_advance(&args)) {
		const char *key = *args.argv, *value;
		int word;

		if (!strcmp(key, "host")) {
			value = args_value(&args);
			if (!value || seen_twice(&seen, IFLA_ETHERSTUB_HOST, key, value))
				return -1;
			word = parse_word(key, value, on_off, ARRAY_SIZE(on_off));
			if (word < 0)
				return -1;
			add_u8(n, IFLA_ETHERSTUB_HOST, word);
		} else if (!strcmp(key, "help")) {
			etherstub_usage(stderr);
			return -1;
		} else {
			fprintf(stderr, "%s: unknown option \"%s\"?\n", lu->id, key);
			etherstub_usage(stderr);
			return -1;
		}
	}
	return 0;
}

static void etherstub_print_opt(struct link_util *lu, FILE *f,
				struct rtattr *tb[])
{
	__u32 count;
	__u8 byte;

	(void)lu;
	if (!tb)
		return;
	if (attr_u8(tb[IFLA_ETHERSTUB_HOST], &byte))
		show_on_off(f, "host", byte);
	if (attr_u32(tb[IFLA_ETHERSTUB_COUNT], &count))
		show_uint(f, "vnics", count);
}

static void etherstub_print_help(struct link_util *lu, int argc, char **argv,
				 FILE *f)
{
	(void)lu;
	(void)argc;
	(void)argv;
	etherstub_usage(f);
}

struct link_util etherstub_link_util = {
	.id		= "etherstub",
	.maxattr	= IFLA_ETHERSTUB_MAX,
	.parse_opt	= etherstub_parse_opt,
	.print_opt	= etherstub_print_opt,
	.print_help	= etherstub_print_help,
};
