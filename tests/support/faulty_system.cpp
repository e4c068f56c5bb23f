#include "support/faulty_system.hpp"

#include <cerrno>
#include <cstdarg>

#include <sys/types.h>

namespace {

/// Whether this call must fail; errno is set then.
bool fails(const char* call) {
    Fault* fault = Fault::current;
    if (fault == nullptr) { return false; }
    const int number = ++fault->calls[call];
    const bool now =
        fault->call == call && fault->error != 0 && (number == fault->which || (fault->again && number > fault->which));
    const bool also = fault->also.call == call && number == fault->also.which;
    if (now || also) { errno = now ? fault->error : fault->also.error; }
    return now || also;
}

}  // namespace

extern "C" {

int __real_open(const char* path, int flags, mode_t mode);
ssize_t __real_write(int file, const void* data, std::size_t size);
int __real_fsync(int file);
int __real_close(int file);
int __real_link(const char* from, const char* to);
int __real_rename(const char* from, const char* to);
int __real_flock(int file, int operation);
int __real_fchmod(int file, mode_t mode);
int __real_fchown(int file, uid_t owner, gid_t group);

int __wrap_open(const char* path, int flags, mode_t mode) {
    return fails("open") ? -1 : __real_open(path, flags, mode);
}
ssize_t __wrap_write(int file, const void* data, std::size_t size) {
    if (fails("write")) { return -1; }
    const Fault* fault = Fault::current;
    const bool cut = fault != nullptr && fault->short_write && size > 1;
    return __real_write(file, data, cut ? 1 + size / 3 : size);
}
int __wrap_fsync(int file) { return fails("fsync") ? -1 : __real_fsync(file); }
int __wrap_close(int file) {
    const bool failed = fails("close");
    const int result = __real_close(file);  // closes the file in any case
    return failed ? -1 : result;
}
int __wrap_link(const char* from, const char* to) { return fails("link") ? -1 : __real_link(from, to); }
int __wrap_rename(const char* from, const char* to) { return fails("rename") ? -1 : __real_rename(from, to); }
int __wrap_flock(int file, int operation) { return fails("flock") ? -1 : __real_flock(file, operation); }
int __wrap_fchmod(int file, mode_t mode) { return fails("fchmod") ? -1 : __real_fchmod(file, mode); }
int __wrap_fchown(int file, uid_t owner, gid_t group) {
    return fails("fchown") ? -1 : __real_fchown(file, owner, group);
}

}  // extern "C"
