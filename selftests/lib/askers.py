# SPDX-License-Identifier: GPL-2.0
"""
Who may ask for changes of VNICs: containers with and without a user namespace, one to which its VNIC was not given, and the manager.
"""
import os
import socket
import time

import roads as r
from family import HOST, SLOW, cookie, events_of, family, inside, ip_batch, netns_fd


def mac(text):
    return bytes(int(part, 16) for part in text.split(":"))


# What the kernel joins of its own accord.
KERNELS_GROUPS = [{"param": "groups", "prefix": mac(prefix), "prefix-len": bits}
                  for prefix, bits in (("01:00:5e:00:00:00", 40), ("33:33:00:00:00:00", 40), ("33:33:ff:00:00:00", 24), ("01:80:c2:00:00:20", 44))]


class Asker:
    """Somebody in a network namespace, and the VNIC there."""

    def __init__(self, world, agent, vnic, subject, kind="owner"):
        self.world, self.agent, self.subject, self.kind = world, agent, subject, kind
        self.rootless = False
        self.standing = {}
        self.fd = agent.netns()
        self.cookie = inside(self.fd, cookie)
        self.route = inside(self.fd, r.Route)
        self.sock = inside(self.fd, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self.id = vnic
        self.ear, self.home = None, None
        for master, link_kind in (("br0", "bridge"), ("bond0", "bond")):
            self.route.link(0, attrs={r.IFLA_IFNAME: master, r.IFLA_LINKINFO: {r.INFO_KIND: link_kind}}, create=True)

    def place(self):
        """Once the VNIC is there."""
        self.ear = r.Ear(self.fd, self.dev())
        self.home = self.state()

    def shown(self):
        return self.world.host.do("vnic-get", {"id": self.id})

    def dev(self):
        vnic = self.shown()
        return vnic["ifname"], vnic["ifindex"]

    def links(self):
        return {index: (flags, attrs) for index, flags, attrs in self.route.links()}

    def state(self):
        """All that anyone could have changed, of the device and of the database."""
        shown, links = self.shown(), self.links()
        name, index = shown["ifname"], shown["ifindex"]
        flags, attrs = links[index]
        wanted = (r.IFLA_ADDRESS, r.IFLA_IFNAME, r.IFLA_MTU, r.IFLA_TXQLEN, r.IFLA_MASTER)
        return {"vnic": {**shown, "denied": 0}, "link": {number: attrs.get(number) for number in wanted},
                "flags": flags & (r.IFF_UP | r.IFF_PROMISC | r.IFF_ALLMULTI), "info": r.attrs_of(attrs[r.IFLA_LINKINFO])[r.INFO_DATA][:24],
                "links": sorted(links), "features": r.features_of(name, self.sock), "ip": self.route.addresses(index),
                "flows": self.world.host.dump("flow-get", {"vnic": self.id})}

    def restore(self, up):
        """As it was at home, by the manager, for whom this process is taken wherever its sockets are."""
        home, now = self.home, self.state()
        added = [other for other in now["links"] if other not in home["links"]]
        for other in added:
            self.route.unlink(other)
        if added:
            now = self.state()
        name, index = now["vnic"]["ifname"], now["vnic"]["ifindex"]
        if now["link"][r.IFLA_MASTER]:
            self.route.link(index, attrs={r.IFLA_MASTER: 0})
        for addr in now["ip"]:
            self.route.address(index, addr, r.DELADDR)
        if now["features"] != home["features"]:
            r.set_features(name, r.GRO, home["features"][0], self.sock)
        if now["info"] != home["info"]:
            self.world.host.do("vnic-set", {"id": self.id, "promisc-mode": "own"})
            self.world.host.do("link-set", {"ifindex": self.world.link, "host": 1})
        if now["vnic"]["ring-size"] != home["vnic"]["ring-size"]:
            self.world.host.do("vnic-set", {"id": self.id, "ring-size": home["vnic"]["ring-size"]})
        if "cpus" in now["vnic"] or now["vnic"]["hw-rings"] != "off":
            self.world.host.do("vnic-set", {"id": self.id, "cpus": "", "hw-rings": "off"})
        if "rx-maxbw" in now["vnic"] or "tx-maxbw" in now["vnic"]:
            self.world.host.do("vnic-set", {"id": self.id, "rx-maxbw": 0, "tx-maxbw": 0})
        if "pool" in now["vnic"]:
            self.world.host.do("vnic-set", {"id": self.id, "pool": ""})
        for flow in now["flows"]:
            self.world.host.do("flow-del", {"vnic": self.id, "name": flow["name"]})
        changed = {number: value for number, value in home["link"].items() if number != r.IFLA_MASTER and value != now["link"][number]}
        flags = r.IFF_UP if up else 0
        if changed or now["flags"] != flags:
            self.route.link(index, flags, r.IFF_UP | r.IFF_PROMISC | r.IFF_ALLMULTI, changed)
        if now["flags"] & r.IFF_UP != flags & r.IFF_UP:
            time.sleep(0.02 * SLOW)

    def hears(self, addr, wanted):
        """Address lists reach the device a moment later."""
        end = time.monotonic() + 2 * SLOW
        while self.ear.hears(self.world.mouth, addr) != wanted:
            if time.monotonic() > end:
                return not wanted
        return wanted

    def why(self, road, value):
        """What the family answers him, and the manager for him."""
        key = "bytes" if isinstance(value, bytes) else "number"
        him = {"subject": "netns", "netns-cookie": self.cookie}
        if road.param == "vnics":
            return [self.world.host.do("why", {"link": self.world.link, "param": "vnics", **him})]
        asked = {"param": road.param, key: value}
        answers = [self.world.host.do("why", {**asked, "vnic": self.id, **him})]
        if not road.anyone:
            answers.append(self.agent(r.do, "why", {**asked, "ifindex": self.dev()[1]}))
        return answers

    def grant(self, road, policy):
        scope = {"link": self.world.link} if road.param == "vnics" else {"vnic": self.id}
        subject = {"subject": "netns", "netns-cookie": self.cookie} if road.param == "vnics" else self.subject
        return self.world.host.do("policy-add", {"param": road.param, **scope, **subject, **policy})["id"]

    def close(self):
        if self.ear:
            self.ear.close()
        self.agent.close()
        self.sock.close()
        self.route.sock.close()
        os.close(self.fd)


class World:
    """One for all tests, which leave nothing behind: a dummy, VNICs of it in three namespaces, and who lives there."""

    def __init__(self):
        ip_batch(["netns add web", "netns add third", "netns add other", "link add d0 address 02:00:00:00:00:f0 up type dummy",
                  "link add link d0 name tx0 up type vnic"])
        self.link = socket.if_nametoindex("d0")
        # Then a VNIC wants something that it has not.
        r.set_features("d0", r.GRO, 0)
        self.host, self.denials = family(), family()
        self.host.do("pool-add", {"name": "p0", "limit": 1 << 20})
        self.denials.ntf_subscribe("denied")
        self.mouth = r.mouth_of("tx0")
        self.fds = {name: netns_fd(name) for name in ("web", "third", "other")}
        self.askers = {}
        self.askers["rootful"] = Asker(self, r.Agent(lambda: self.enter("web")), self.make("web"), {"subject": "owner"})
        rootless = r.Agent(lambda: os.unshare(os.CLONE_NEWUSER | os.CLONE_NEWNET))
        for name in ("uid_map", "gid_map"):
            with open(f"/proc/{rootless.pid}/{name}", "w", encoding="ascii") as file:
                file.write("0 100000 1000")
        rootless(become_root)
        fd = rootless.netns()
        self.askers["rootless"] = Asker(self, rootless, self.make(fd), {"subject": "netns", "netns-fd": fd})
        self.askers["rootless"].rootless = True
        # Given to one container, taken to another by that.
        vnic = self.make("web", "lost0")
        web = self.askers["rootful"]
        web.agent(take_to, "lost0", "third")
        third = r.Agent(lambda: self.enter("third"))
        lost = self.askers["lost"] = Asker(self, third, vnic, None, "netns")
        lost.subject = {"subject": "netns", "netns-cookie": lost.cookie}
        lost.standing["groups"] = [self.host.do("policy-add", {"vnic": vnic, **lost.subject, **policy})["id"] for policy in KERNELS_GROUPS][0]
        self.askers["manager"] = Asker(self, r.Agent(lambda: None), self.make(HOST), None, "manager")
        for asker in self.askers.values():
            asker.place()
            asker.restore(True)
        time.sleep(0.1 * SLOW)
        for asker in self.askers.values():
            asker.home["flags"] = r.IFF_UP
            asker.home = asker.state()
        events_of(self.denials)

    def enter(self, name):
        os.setns(self.fds[name], os.CLONE_NEWNET)
        r.mount_sysfs()

    def make(self, where, name="v0"):
        """A VNIC in a namespace, where IPv6 makes no addresses of its own; its number."""
        fd = where if isinstance(where, int) else self.fds[where]

        def quiet():
            with open("/proc/sys/net/ipv6/conf/default/addr_gen_mode", "w", encoding="ascii") as file:
                file.write("1")
        inside(fd, quiet)
        known = {vnic["id"] for vnic in self.host.dump("vnic-get", {})}
        info = {r.INFO_KIND: "vnic"}
        route = r.Route()
        route.link(0, attrs={r.IFLA_LINK: self.link, r.IFLA_IFNAME: name, 28: fd, r.IFLA_LINKINFO: info}, create=True)    # IFLA_NET_NS_FD
        route.sock.close()
        return next(vnic["id"] for vnic in self.host.dump("vnic-get", {}) if vnic["id"] not in known)

    def close(self):
        """The tests share it."""


def become_root():
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    r.mount_sysfs()


def take_to(name, netns):
    route = r.route()
    fd = netns_fd(netns)
    route.link(socket.if_nametoindex(name), attrs={28: fd})
    os.close(fd)
