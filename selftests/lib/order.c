// SPDX-License-Identifier: GPL-2.0
/*
 * Packets with numbers, to see whether any overtakes another of its flow.
 *
 *   order send ADDRESS PORT FLOWS COUNT [PAUSE]
 *       COUNT packets of each flow, as fast as it goes; 0: until killed. With PAUSE, some at a time and up to so many microseconds between:
 *       a queue is now empty, now not. Where it never is, what is overtaken may wait until it is dropped, and nobody sees it.
 *   order receive PORT FLOWS                 until SIGTERM; prints "received N lost N backwards N"
 *
 * A flow is a UDP port, from PORT on, and has a thread at each end.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH 32

struct flow {
	pthread_t thread;
	struct sockaddr_in addr;
	uint64_t count, received, lost, backwards;
	unsigned int pause, seed;
};

static volatile sig_atomic_t over;

static void stop(int signal)
{
	(void)signal;
	over = 1;
}

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void *send_flow(void *data)
{
	struct flow *flow = data;
	struct mmsghdr messages[BATCH] = { 0 };
	uint64_t numbers[BATCH][4] = { 0 }, next = 1;
	struct iovec parts[BATCH];
	int fd = socket(AF_INET, SOCK_DGRAM, 0), room = 64 << 20;

	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	if (fd < 0 || connect(fd, (struct sockaddr *)&flow->addr, sizeof(flow->addr)))
		fail("connect");
	for (int i = 0; i < BATCH; i++) {
		parts[i] = (struct iovec){ numbers[i], sizeof(numbers[i]) };
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	while (!flow->count || next <= flow->count) {
		uint64_t left = flow->count ? flow->count - next + 1 : BATCH;
		int done;

		if (flow->pause) {
			usleep(rand_r(&flow->seed) % flow->pause);
			left = left < BATCH ? left : 1u + rand_r(&flow->seed) % BATCH;
		}
		for (int i = 0; i < BATCH; i++)
			numbers[i][0] = next + i;
		done = sendmmsg(fd, messages, left < BATCH ? left : BATCH, 0);
		/* What was refused (ENOBUFS, a port not open yet) is lost, not sent again. */
		next += done > 0 ? done : 1;
	}
	return NULL;
}

static void *receive_flow(void *data)
{
	struct flow *flow = data;
	struct mmsghdr messages[BATCH] = { 0 };
	uint64_t numbers[BATCH][4], newest = 0;
	struct iovec parts[BATCH];
	int fd = socket(AF_INET, SOCK_DGRAM, 0), room = 4 << 20;
	struct timeval patience = { .tv_usec = 100000 };

	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (fd < 0 || bind(fd, (struct sockaddr *)&flow->addr, sizeof(flow->addr)))
		fail("bind");
	for (int i = 0; i < BATCH; i++) {
		parts[i] = (struct iovec){ numbers[i], sizeof(numbers[i]) };
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	while (!over) {
		int got = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);

		for (int i = 0; i < got; i++) {
			flow->received++;
			if (numbers[i][0] <= newest) {
				flow->backwards++;
				continue;
			}
			flow->lost += numbers[i][0] - newest - 1;
			newest = numbers[i][0];
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	int sending = (argc == 6 || argc == 7) && !strcmp(argv[1], "send");
	int receiving = argc == 4 && !strcmp(argv[1], "receive");
	int port, flows;
	uint64_t received = 0, lost = 0, backwards = 0;
	struct flow *all;

	if (!sending && !receiving) {
		fprintf(stderr, "order send ADDRESS PORT FLOWS COUNT [PAUSE] | order receive PORT FLOWS\n");
		return 2;
	}
	signal(SIGTERM, stop);
	port = atoi(argv[sending ? 3 : 2]);
	flows = atoi(argv[sending ? 4 : 3]);
	all = calloc(flows, sizeof(*all));
	for (int i = 0; i < flows; i++) {
		all[i].addr.sin_family = AF_INET;
		all[i].addr.sin_port = htons(port + i);
		if (sending && inet_pton(AF_INET, argv[2], &all[i].addr.sin_addr) != 1)
			fail(argv[2]);
		all[i].count = sending ? strtoull(argv[5], NULL, 0) : 0;
		all[i].pause = sending && argc == 7 ? strtoul(argv[6], NULL, 0) : 0;
		all[i].seed = i;
		if (pthread_create(&all[i].thread, NULL, sending ? send_flow : receive_flow, &all[i]))
			fail("thread");
	}
	for (int i = 0; i < flows; i++) {
		pthread_join(all[i].thread, NULL);
		received += all[i].received;
		lost += all[i].lost;
		backwards += all[i].backwards;
	}
	if (receiving)
		printf("received %llu lost %llu backwards %llu\n", (unsigned long long)received,
		       (unsigned long long)lost, (unsigned long long)backwards);
	return 0;
}
