# SPDX-License-Identifier: GPL-2.0
#
# Everything is made by the lab (tools/lab): what a target needs is fetched and built first, kept in $VNIC_CACHE and used again.

MAKEFLAGS += --no-print-directory
KERNEL ?= 7.3
export KERNELS TESTS JOBS REAL

all: module tools

# vnic.ko for the stock kernels of the lab, or for the prepared tree KDIR with this machine's compilers.
module:
	@$(if $(KDIR),tools/lab/module --kdir $(abspath $(KDIR)),tools/lab/module)

tools:
	@tools/lab/tools

demo:
	@selftests/demo/run

test:
	@selftests/run

bench:
	@selftests/bench/run

check:
	@tools/lab/check

shell:
	@tools/lab/run -i --timeout 0 --kernel $(KERNEL) -- bash

rust-analyzer:
	@tools/lab/rust-analyzer

netlink:
	@tools/lab/netlink

update:
	@LAB_UPDATE=1 tools/lab/offered 7.3 >/dev/null
	@tools/lab/module >/dev/null

clean:
	@tools/lab/clean

distclean:
	@tools/lab/clean --all

help:
	@echo 'make                   vnic.ko for Debian'\''s stock kernels 7.3 and 7.2, and the tools'
	@echo 'make demo              containers on VNICs in a virtual machine'
	@echo 'make test              the checks, and every test on the kernels 7.3, 7.2 and debug'
	@echo '                       KERNELS="7.3 debug" and TESTS=REGEX choose, JOBS=N machines run at a time'
	@echo 'make bench             the comparison with macvlan, ipvlan, veth and others; REAL=1 in real time'
	@echo 'make check             format, lints, unit tests and rules of the source, without a virtual machine'
	@echo 'make shell             a shell in a virtual machine; KERNEL=7.3|7.2|debug chooses its kernel'
	@echo 'make module KDIR=DIR   vnic.ko for a prepared kernel tree, in this directory'
	@echo 'make rust-analyzer     rust-project.json for an editor'
	@echo 'make netlink            the files of the netlink family, from its specification'
	@echo 'make update            ask now which kernels Debian offers, and take the newest'
	@echo 'make clean             what was built from this checkout; distclean: the whole cache'

.PHONY: all module tools demo test bench check shell rust-analyzer netlink update clean distclean help
