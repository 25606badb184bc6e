/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a plug-in of ip(8) may use.
 *
 * ip loads LIBDIR/ip/link_KIND.so (IP_LIB_DIR in the environment overrides
 * the directory) for a kind that it does not know, looks up the symbol
 * KIND_link_util in it and lets the plug-in call back into itself. iproute2
 * installs no header for this, so the layout is declared here. It is the same
 * in every release from 6.1 to 7.1.
 */
#ifndef VNIC_IPROUTE2_H
#define VNIC_IPROUTE2_H

#include <stdbool.h>
#include <stdio.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/types.h>

struct link_util {
	struct link_util	*next;
	const char		*id;
	int			maxattr;
	int			(*parse_opt)(struct link_util *lu, int argc,
					     char **argv, struct nlmsghdr *n);
	void			(*print_opt)(struct link_util *lu, FILE *f,
					     struct rtattr *tb[]);
	void			(*print_xstats)(struct link_util *lu, FILE *f,
						struct rtattr *xstats);
	void			(*print_help)(struct link_util *lu, int argc,
					      char **argv, FILE *f);
	int			(*parse_ifla_xstats)(struct link_util *lu,
						     int argc, char **argv);
	int			(*print_ifla_xstats)(struct nlmsghdr *n,
						     void *arg);
	/* Not in iproute2: a later release that appends members reads NULL. */
	void			*reserved[8];
};

/* Exported by the ip program itself. */
enum output_type {
	PRINT_FP = 1,
	PRINT_JSON = 2,
	PRINT_ANY = 4,
};

bool is_json_context(void);
int print_color_uint(enum output_type t, int color, const char *key,
		     const char *fmt, unsigned int value);
int print_color_u64(enum output_type t, int color, const char *key,
		    const char *fmt, unsigned long long value);
int print_color_bool(enum output_type t, int color, const char *key,
		     const char *fmt, bool value);
int print_color_string(enum output_type t, int color, const char *key,
		       const char *fmt, const char *value);
int addattr_l(struct nlmsghdr *n, int maxlen, int type, const void *data,
	      int alen);

/* ip builds a link request in a buffer of this size. */
#define LINK_REQ_MAX 1024

static inline bool attr_holds(const struct rtattr *rta, size_t size)
{
	return rta && RTA_PAYLOAD(rta) >= size;
}

#define ATTR_GETTER(bits)						\
static inline bool attr_u##bits(const struct rtattr *rta,		\
				__u##bits *value)			\
{									\
	if (!attr_holds(rta, sizeof(*value)))				\
		return false;						\
	__builtin_memcpy(value, RTA_DATA(rta), sizeof(*value));		\
	return true;							\
}
ATTR_GETTER(8)
ATTR_GETTER(16)
ATTR_GETTER(32)
ATTR_GETTER(64)
#undef ATTR_GETTER

/* A number of four or eight bytes. */
static inline bool attr_uint(const struct rtattr *rta, __u64 *value)
{
	__u32 narrow;

	if (attr_u64(rta, value))
		return true;
	if (!attr_u32(rta, &narrow))
		return false;
	*value = narrow;
	return true;
}

/* Text of at most size - 1 bytes, with its zero at the end or without. */
static inline bool attr_text(const struct rtattr *rta, char *text, size_t size)
{
	size_t length;

	if (!attr_holds(rta, 1) || !*(const char *)RTA_DATA(rta))
		return false;
	length = RTA_PAYLOAD(rta) < size ? RTA_PAYLOAD(rta) : size - 1;
	__builtin_memcpy(text, RTA_DATA(rta), length);
	text[length] = 0;
	return true;
}

#endif /* VNIC_IPROUTE2_H */
