#pragma once

/// Windows calls that keep a pointer for each thread and pass it to a function when the thread ends. They are declared
/// as <windows.h> declares them.

#ifdef _WIN32

extern "C" {

__declspec(dllimport) unsigned long __stdcall FlsAlloc(void(__stdcall* at_end)(void*));
__declspec(dllimport) void* __stdcall FlsGetValue(unsigned long index);
__declspec(dllimport) int __stdcall FlsSetValue(unsigned long index, void* value);

}  // extern "C"

#endif
