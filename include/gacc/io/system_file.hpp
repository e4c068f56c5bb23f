#pragma once

/// A file being written, by the calls of this system: detail::SystemFile. What a call says is an error_code, and an
/// empty one if it went well; what to make of it is up to AtomicFile.
///
///   create(path, replaced)  a new file: file_exists if something has that name. It is to replace `replaced`, if there.
///                           Nobody may read it yet who may not read that one
///   write(bytes)            all of them
///   take_permissions()      those of the file to be replaced, as far as this process may give them
///   sync()                  to the disk
///   close()                 after the last byte. Others still see that somebody is at work on the file
///   release()               after the last rename, or to give it up: now they do not
///
///   rename, link            static; rename replaces what has the new name, in one step for everybody who looks
///   replaceable             static: whether the system would let this process rename another file to that name
///   sync_data, sync_folder  static; of a file that is closed, and of the names in a folder
///   remove_left_behind(path, owner)   removes path if no process is at work on owner
///   longest_name            static: of a file in that folder
///   process                 static: a number that no other process on this machine has

#ifdef _WIN32
#include <gacc/io/windows_file.hpp>
#else
#include <gacc/io/posix_file.hpp>
#endif
