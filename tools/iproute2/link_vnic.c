// SPDX-License-Identifier: GPL-2.0
/* ip link ... type vnic */

#include "limits.h"

static const char *const promisc_words[] = {
	[VNIC_PROMISC_OFF] = "off",
	[VNIC_PROMISC_OWN] = "own",
	[VNIC_PROMISC_ALL] = "all",
};

static const char *const poll_words[] = {
	[VNIC_POLL_AUTO] = "auto",
	[VNIC_POLL_INLINE] = "inline",
	[VNIC_POLL_RING] = "ring",
};

static const char *const hw_rings_words[] = {
	[VNIC_HW_RINGS_OFF] = "off",
	[VNIC_HW_RINGS_AUTO] = "auto",
	[VNIC_HW_RINGS_ON] = "on",
};

static const char *const filter_words[] = {
	[VNIC_FILTER_NONE] = "none",
	[VNIC_FILTER_EXACT] = "exact",
	[VNIC_FILTER_PROMISC] = "promisc",
};

static void vnic_usage(FILE *f)
{
	fprintf(f,
		"Usage: ... vnic [ vlan VID ] [ promisc { off | own | all } ] [ host { on | off } ]\n"
		"                [ poll { auto | inline | ring } ] [ ring-size PACKETS ]\n"
		"                [ pool { NAME | none } ] [ cpus { LIST | any } ]\n"
		"                [ hw-rings { off | auto | on } ] [ maxbw { RATE | none } ]\n"
		"                [ maxpps { N | none } ] [ limit-delay TIME ] [ share N ]\n"
		"                [ priority { high | medium | low } ]\n"
		"\n"
		"vlan VID  the VLAN of the VNIC, 1-%d: its frames carry the tag on the wire\n"
		"          and none inside. 0, the default: frames pass as they are.\n"
		"          Only when the VNIC is created.\n"
		"promisc   what promiscuous mode shows the VNIC:\n"
		"          off  nothing more than without\n"
		"          own  every broadcast and multicast frame of its VLAN (default)\n"
		"          all  every frame of its VLAN: for a VNIC that is the port of a bridge\n"
		"host      whether the host itself and the VNICs of this link reach each other.\n"
		"          One setting for the whole link; on by default.\n"
		"poll      how the VNIC gets packets from the wire:\n"
		"          auto    inline, with the device below, up to a credit; else by its\n"
		"                  rings (default)\n"
		"          inline  inline, but for those behind packets that are on a ring\n"
		"          ring    by its rings\n"
		"ring-size PACKETS  how many may wait on each of its rings, %d-%d\n"
		"pool      where the packets that it receives are stored; vnic pool makes them\n"
		"cpus      on which CPUs its rings are polled, one after the other, like 0-3,8;\n"
		"          any, the default: where its packets come from\n"
		"hw-rings  whether it gets a receive queue of the link of its own:\n"
		"          off   no (default)\n"
		"          auto  if there is one to spare\n"
		"          on    it does not go up without\n"
		"maxbw     bits a second that it may receive, and send: 50M, 2G, 100mbit;\n"
		"          rx-maxbw, tx-maxbw for one direction\n"
		"maxpps    packets a second, likewise; rx-maxpps, tx-maxpps\n"
		"limit-delay  how long a packet may wait for a limit, 100us to 1s; 5ms by default\n"
		"share     its weight where the VNICs of a link with a maxbw (vnic link set) want\n"
		"          to send more than that, %d-%d; %d by default\n"
		"priority  who goes first there\n",
		VNIC_VLAN_MAX, VNIC_RING_SIZE_MIN, VNIC_RING_SIZE_MAX,
		VNIC_SHARE_MIN, VNIC_SHARE_MAX, VNIC_SHARE_DEFAULT);
}

static int vnic_parse_opt(struct link_util *lu, int argc, char **argv,
			  struct nlmsghdr *n)
{
	struct args args = { argc, argv };
	unsigned int seen = 0;

	for (; args.argc > 0; args_advance(&args)) {
		const char *key = *args.argv, *value;
		unsigned long vid, size;
		int word, limit;

		limit = parse_limit(&args, &seen, n);
		if (limit < 0)
			return -1;
		if (limit)
			continue;
		if (!strcmp(key, "vlan")) {
			value = args_value(&args);
			if (!value || seen_twice(&seen, IFLA_VNIC_VLAN, key, value) ||
			    parse_number(key, value, 0, VNIC_VLAN_MAX, &vid))
				return -1;
			add_u16(n, IFLA_VNIC_VLAN, vid);
		} else if (!strcmp(key, "promisc")) {
			value = args_value(&args);
			if (!value || seen_twice(&seen, IFLA_VNIC_PROMISC, key, value))
				return -1;
			word = parse_word(key, value, promisc_words,
					  ARRAY_SIZE(promisc_words));
			if (word < 0)
				return -1;
			add_u8(n, IFLA_VNIC_PROMISC, word);
		} else if (!strcmp(key, "host")) {
			value = args_value(&args);
			if (!value || seen_twice(&seen, IFLA_VNIC_HOST, key, value))
				return -1;
			word = parse_word(key, value, on_off, ARRAY_SIZE(on_off));
			if (word < 0)
				return -1;
			add_u8(n, IFLA_VNIC_HOST, word);
		} else if (!strcmp(key, "poll")) {
			value = args_value(&args);
			if (!value || seen_twice(&seen, IFLA_VNIC_POLL, key, value))
				return -1;
			word = parse_word(key, value, poll_words,
					  ARRAY_SIZE(poll_words));
			if (word < 0)
				return -1;
			add_u8(n, IFLA_VNIC_POLL, word);
		} else if (!strcmp(key, "ring-size")) {
			value = args_value(&args);
			if (!value || seen_twice(&seen, IFLA_VNIC_RING_SIZE, key, value) ||
			    parse_number(key, value, VNIC_RING_SIZE_MIN,
					 VNIC_RING_SIZE_MAX, &size))
				return -1;
			add_u32(n, IFLA_VNIC_RING_SIZE, size);
		} else if (!strcmp(key, "pool")) {
			value = args_value(&args);
			if (!value || seen_twice(&seen, IFLA_VNIC_POOL, key, value) ||
			    parse_name(key, value))
				return -1;
			add_text(n, IFLA_VNIC_POOL, strcmp(value, "none") ? value : "");
		} else if (!strcmp(key, "cpus")) {
			value = args_value(&args);
			if (!value || seen_twice(&seen, IFLA_VNIC_CPUS, key, value) ||
			    parse_cpus(key, value))
				return -1;
			add_text(n, IFLA_VNIC_CPUS, strcmp(value, "any") ? value : "");
		} else if (!strcmp(key, "hw-rings")) {
			value = args_value(&args);
			if (!value || seen_twice(&seen, IFLA_VNIC_HW_RINGS, key, value))
				return -1;
			word = parse_word(key, value, hw_rings_words,
					  ARRAY_SIZE(hw_rings_words));
			if (word < 0)
				return -1;
			add_u8(n, IFLA_VNIC_HW_RINGS, word);
		} else if (!strcmp(key, "help")) {
			vnic_usage(stderr);
			return -1;
		} else {
			fprintf(stderr, "%s: unknown option \"%s\"?\n", lu->id, key);
			vnic_usage(stderr);
			return -1;
		}
	}
	return 0;
}

static void vnic_print_opt(struct link_util *lu, FILE *f, struct rtattr *tb[])
{
	char pool[NAME_LEN_MAX + 1], cpus[CPUS_LEN_MAX + 1];
	__u32 count, size;
	__u16 vid;
	__u8 byte;

	(void)lu;
	if (!tb)
		return;
	if (attr_u16(tb[IFLA_VNIC_VLAN], &vid) && (vid || is_json_context()))
		show_uint(f, "vlan", vid);
	if (attr_u8(tb[IFLA_VNIC_PROMISC], &byte))
		show_word(f, "promisc", byte, promisc_words,
			  ARRAY_SIZE(promisc_words));
	if (attr_u8(tb[IFLA_VNIC_HOST], &byte))
		show_on_off(f, "host", byte);
	if (attr_u8(tb[IFLA_VNIC_FILTER], &byte))
		show_word(f, "filter", byte, filter_words,
			  ARRAY_SIZE(filter_words));
	if (attr_u32(tb[IFLA_VNIC_COUNT], &count))
		show_uint(f, "vnics", count);
	if (attr_u8(tb[IFLA_VNIC_POLL], &byte))
		show_word(f, "poll", byte, poll_words,
			  ARRAY_SIZE(poll_words));
	if (attr_u32(tb[IFLA_VNIC_RING_SIZE], &size))
		show_uint(f, is_json_context() ? "ring_size" : "ring-size", size);
	if (attr_text(tb[IFLA_VNIC_POOL], pool, sizeof(pool)))
		show_text(f, "pool", pool);
	if (attr_text(tb[IFLA_VNIC_CPUS], cpus, sizeof(cpus)))
		show_text(f, "cpus", cpus);
	if (attr_u8(tb[IFLA_VNIC_HW_RINGS], &byte))
		show_word(f, is_json_context() ? "hw_rings" : "hw-rings", byte,
			  hw_rings_words, ARRAY_SIZE(hw_rings_words));
	if (attr_u32(tb[IFLA_VNIC_HW_QUEUE], &size))
		show_uint(f, is_json_context() ? "hw_queue" : "hw-queue", size);
	show_limits(f, tb);
}

static void vnic_print_help(struct link_util *lu, int argc, char **argv, FILE *f)
{
	(void)lu;
	(void)argc;
	(void)argv;
	vnic_usage(f);
}

struct link_util vnic_link_util = {
	.id		= "vnic",
	.maxattr	= IFLA_VNIC_MAX,
	.parse_opt	= vnic_parse_opt,
	.print_opt	= vnic_print_opt,
	.print_help	= vnic_print_help,
};
