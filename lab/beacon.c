/* The drill's beacon: a real process that calls home, and does nothing else. Reads .sync.conf beside its own executable:
 * SERVER PORT SOURCE keepalive|short INTERVAL LIFETIME (seconds). It runs nothing, reads nothing else, writes no file.
 * With OWN_HOST it is a victim's of lab/netns: all that is compiled in, netns/hide.h hides it, and it ends with its PID namespace.
 *
 * It cannot outlive its range: it ends when standard input ends (the range holds the other end of that pipe), when its
 * parent dies (prctl), and after LIFETIME in any case (alarm). */
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#ifdef OWN_HOST
#include "netns/hide.h"
#endif

static char server[64], source[64], mode[16];
static int port;
static unsigned lifetime;
static double interval;

#ifdef OWN_HOST
static int configure(void)
{
    strcpy(server, SERVER);
    strcpy(source, strchr(SERVER, ':') ? "::" : "0.0.0.0");
    strcpy(mode, MODE);
    port = PORT;
    interval = INTERVAL;
    lifetime = LIFETIME;
    return hidden();
}
#else
static int configure(void)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 16);
    if (n < 0)
        return 0;
    path[n] = 0;
    strcpy(strrchr(path, '/') + 1, ".sync.conf");
    FILE *f = fopen(path, "re");
    if (!f)
        return 0;
    int got = fscanf(f, "%63s %d %63s %15s %lf %u", server, &port, source, mode, &interval, &lifetime);
    fclose(f);
    return got == 6;
}
#endif

/* Wait, but not longer than the range lives. */
static void rest(double seconds)
{
#ifdef OWN_HOST
    poll(NULL, 0, (int)(seconds * 1000));
#else
    struct pollfd in = {.fd = 0, .events = POLLIN};
    char byte;
    if (poll(&in, 1, (int)(seconds * 1000)) > 0 && read(0, &byte, 1) <= 0)
        exit(0);
#endif
}

static double jitter(void)
{
    return interval * (0.8 + 0.4 * rand() / RAND_MAX);
}

/* An IPv4-mapped address (::ffff:a.b.c.d) goes out as IPv4 from a socket of IPv6. */
static struct sockaddr_storage named(const char *text, int at)
{
    struct sockaddr_storage all = {0};
    struct sockaddr_in *four = (void *)&all;
    struct sockaddr_in6 *six = (void *)&all;
    all.ss_family = strchr(text, ':') ? AF_INET6 : AF_INET;
    if (all.ss_family == AF_INET)
        four->sin_port = htons(at);
    else
        six->sin6_port = htons(at);
    inet_pton(all.ss_family, text, all.ss_family == AF_INET ? (void *)&four->sin_addr : (void *)&six->sin6_addr);
    return all;
}

static int dial(void)
{
    struct sockaddr_storage here = named(source, 0), there = named(server, port);
    struct timeval patience = {.tv_sec = 2};
    int fd = socket(there.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (bind(fd, (void *)&here, sizeof here) || connect(fd, (void *)&there, sizeof there)) {
        close(fd);
        return -1;
    }
    return fd;
}

static int beat(int fd)
{
    static unsigned long count;
    char text[64], answer[16];
    int n = snprintf(text, sizeof text, "beacon %d %lu\n", getpid(), ++count);
    return send(fd, text, n, MSG_NOSIGNAL) == n && recv(fd, answer, sizeof answer, 0) > 0;
}

/* One connection; how many messages were answered. */
static int visit(int fd)
{
    int answered = 0;
    while (beat(fd) && ++answered && !strcmp(mode, "keepalive"))
        rest(jitter());
    close(fd);
    return answered;
}

int main(void)
{
    int backoff = 1;
#ifndef OWN_HOST
    prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
    if (!configure())
        return 2;
    alarm(lifetime);
    srand(getpid());
    for (;;) {
        int fd = dial();
        backoff = fd >= 0 && visit(fd) ? 1 : backoff < 4 ? backoff * 2 : 4;
        rest(jitter() * (backoff > 1 ? backoff : 1));
    }
}
