#pragma once

/// The Windows calls for saving a file, declared as <windows.h> declares them, so that both can be included. That
/// header itself would bring its macros (min, max, ERROR, DELETE, small) into every program that includes gacc.

#ifdef _WIN32

struct _SECURITY_ATTRIBUTES;
struct _OVERLAPPED;

extern "C" {

__declspec(dllimport) void* __stdcall CreateFileW(const wchar_t* name, unsigned long access, unsigned long sharing,
                                                  _SECURITY_ATTRIBUTES* security, unsigned long creation,
                                                  unsigned long flags, void* pattern);
__declspec(dllimport) int __stdcall WriteFile(void* file, const void* data, unsigned long bytes, unsigned long* written,
                                              _OVERLAPPED* overlapped);
__declspec(dllimport) int __stdcall FlushFileBuffers(void* file);
__declspec(dllimport) int __stdcall CloseHandle(void* file);
__declspec(dllimport) int __stdcall MoveFileExW(const wchar_t* from, const wchar_t* to, unsigned long flags);
__declspec(dllimport) int __stdcall CreateHardLinkW(const wchar_t* to, const wchar_t* from,
                                                    _SECURITY_ATTRIBUTES* reserved);
__declspec(dllimport) int __stdcall DeleteFileW(const wchar_t* name);
__declspec(dllimport) unsigned long __stdcall GetFileAttributesW(const wchar_t* name);
__declspec(dllimport) int __stdcall GetFileSecurityW(const wchar_t* name, unsigned long which, void* descriptor,
                                                     unsigned long bytes, unsigned long* needed);
__declspec(dllimport) int __stdcall SetFileSecurityW(const wchar_t* name, unsigned long which, void* descriptor);
__declspec(dllimport) unsigned long __stdcall GetLastError();
__declspec(dllimport) unsigned long __stdcall GetCurrentProcessId();
__declspec(dllimport) void __stdcall Sleep(unsigned long milliseconds);

}  // extern "C"

#endif
