// SPDX-License-Identifier: GPL-2.0
/* ethtool: string helpers. Under RTNL. */
#include <linux/ethtool.h>
#include <linux/string.h>
#include <vnic_shim.h>

/* Writes one name of `ethtool -S` and moves @data on. */
void vnic_ethtool_string(u8 **data, const char *name, size_t len)
{
	ethtool_sprintf(data, "%.*s", (int)len, name);
}

void vnic_ethtool_drvinfo(struct ethtool_drvinfo *info, const char *driver,
			  const char *version)
{
	strscpy(info->driver, driver, sizeof(info->driver));
	strscpy(info->version, version, sizeof(info->version));
}
