#pragma once

/// A file being written, by the calls of this system: detail::SystemFile. Each call returns an error_code, empty if it
/// went well. AtomicFile decides what to do with it.
///
///   create(path, replaced)  a new file: file_exists if the name is taken. It will replace `replaced`, if that exists.
///                           A user who may not read that file may not read the new one either
///   write(bytes)            all of them
///   take_permissions()      those of the file to be replaced, as far as this process may give them
///   sync()                  to the disk
///   close()                 after the last byte. Other processes still see that the file is in work
///   release()               after the last rename, or to give the file up: now they do not see that any more
///
///   rename, link            static; rename replaces the file of the new name, and other processes see one step
///   replaceable             static: whether the system would let this process rename another file to that name
///   sync_data, sync_folder  static; of a file that is closed, and of the names in a folder
///   remove_left_behind(path, owner)   removes path if no process works on owner
///   longest_name            static: of a file in that folder
///   process                 static: a number that no other process on this machine has

#ifdef _WIN32
#include <gacc/io/windows_file.hpp>
#else
#include <gacc/io/posix_file.hpp>
#endif
