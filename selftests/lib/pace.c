// SPDX-License-Identifier: GPL-2.0
/*
 * UDP packets at a pace, and how long they took.
 *
 *   pace send ADDRESS PORT BYTES RATE COUNT   COUNT packets with BYTES of payload, RATE a second
 *   pace receive PORT                         until SIGTERM; prints "received N lost N backwards N median NS p99 NS"
 *
 * Each packet has its number and when it was sent. Who receives has room for a million.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST 1000000

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

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ULL + time.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int send_all(char **argv)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(atoi(argv[3])) };
	size_t bytes = strtoul(argv[4], NULL, 0);
	double gap = 1e9 / atof(argv[5]);
	uint64_t count = strtoull(argv[6], NULL, 0), begin, refused = 0;
	int fd = socket(AF_INET, SOCK_DGRAM, 0), room = 64 << 20, yes = 1;
	uint64_t *packet = calloc(1, bytes < 16 ? 16 : bytes);

	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &yes, sizeof(yes));
	if (inet_pton(AF_INET, argv[2], &addr.sin_addr) != 1 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		fail(argv[2]);
	begin = now();
	for (uint64_t i = 0; i < count; i++) {
		uint64_t at = begin + i * gap;
		struct timespec time = { at / 1000000000, at % 1000000000 };

		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) == EINTR)
			;
		packet[0] = i + 1;
		packet[1] = now();
		if (send(fd, packet, bytes, 0) < 0)
			refused++;
	}
	printf("sent %llu refused %llu took %llu\n", (unsigned long long)count, (unsigned long long)refused,
	       (unsigned long long)(now() - begin));
	return 0;
}

static int receive_all(char **argv)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(atoi(argv[2])) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), room = 64 << 20;
	struct timeval patience = { .tv_usec = 20000 };
	uint64_t *took = calloc(MOST, sizeof(*took)), newest = 0, lost = 0, backwards = 0, received = 0;
	uint64_t packet[8192];

	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		fail("bind");
	printf("ready\n");
	fflush(stdout);
	while (!over) {
		if (recv(fd, packet, sizeof(packet), 0) < 16)
			continue;
		if (received < MOST)
			took[received++] = now() - packet[1];
		if (packet[0] <= newest) {
			backwards++;
			continue;
		}
		lost += packet[0] - newest - 1;
		newest = packet[0];
	}
	qsort(took, received, sizeof(*took), compare);
	printf("received %llu lost %llu backwards %llu median %llu p99 %llu\n", (unsigned long long)received,
	       (unsigned long long)lost, (unsigned long long)backwards, (unsigned long long)took[received / 2],
	       (unsigned long long)took[received - received / 100 - (received > 0)]);
	return 0;
}

int main(int argc, char **argv)
{
	struct sched_param urgent = { .sched_priority = 10 };

	signal(SIGTERM, stop);
	/* What is measured is not who gets the processor. */
	sched_setscheduler(0, SCHED_FIFO, &urgent);
	if (argc == 7 && !strcmp(argv[1], "send"))
		return send_all(argv);
	if (argc == 3 && !strcmp(argv[1], "receive"))
		return receive_all(argv);
	fprintf(stderr, "pace send ADDRESS PORT BYTES RATE COUNT | pace receive PORT\n");
	return 2;
}
