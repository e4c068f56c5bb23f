#!/usr/bin/env python3
"""Asks gacc and Python's safetensors of the same files: safetensors_differential.py JUDGE [--mutated N] [--jobs J]

JUDGE is the program made of safetensors_judge.cpp. Files are crafted one by one, generated, and mutated. What gacc
accepts the package must accept too, with the same tensors. What gacc refuses and the package accepts must be on the list
of REASONS. Exit code 0 if all that holds, 1 if not, 77 if the package is missing."""

import argparse
import json
import multiprocessing
import random
import struct
import subprocess
import sys
from collections import Counter

try:
    import safetensors
except ImportError:
    print("skipped: Python's safetensors is missing (pip install safetensors)")
    sys.exit(77)

BITS = {"F64": 64, "F32": 32, "F16": 16, "BF16": 16, "I64": 64, "I32": 32, "I16": 16, "I8": 8, "U64": 64, "U32": 32,
        "U16": 16, "U8": 8, "BOOL": 8, "C64": 64, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8,
        "F8_E5M2FNUZ": 8, "F6_E2M3": 6, "F6_E3M2": 6, "F4": 4}
LONGEST_TOKEN, LARGEST_LIST, MOST_NUMBERS = 1 << 14, 512 << 10, 1 << 57

# What the package accepts and gacc refuses, each for a reason.
REASONS = {
    "a name twice": "the package keeps the last, and whoever reads by another rule gets other weights",
    "a metadata key twice": "likewise",
    "another field in a tensor": "the package drops it; the format has dtype, shape and data_offsets",
    "a tensor as an array": "an accident of the package's parser; the format has an object",
    "a dtype as an object": "likewise; the format has a string",
    "metadata that is null": "likewise; the format has an object or none",
    "sizes beyond any memory": "they can only stand beside a size of 0, and their product overflows",
    "a token of more than 16,384 bytes": "it would take memory that the file does not justify",
    "a list of more than 524,288 bytes": "likewise",
}


def reasons(file):
    """Which of the list hold for a file that the package accepts, found without asking gacc."""
    length = struct.unpack_from("<Q", file)[0]
    text = file[8:8 + length].decode()
    found = set()

    class Object(list):
        """Pairs, with those that come twice."""

    header = json.loads(text, object_pairs_hook=Object)
    keys = [key for key, _ in header]
    if len(set(keys)) < len(keys):
        found.add("a name twice")
    taken = 0
    for key, value in header:
        if key == "__metadata__":
            if value is None:
                found.add("metadata that is null")
                continue
            if len({name for name, _ in value}) < len(value):
                found.add("a metadata key twice")
            taken += sum(128 + len(name.encode()) + len(text.encode()) for name, text in value)
            continue
        if not isinstance(value, Object):
            found.add("a tensor as an array")
            fields = dict(zip(["dtype", "shape", "data_offsets"], value))
        else:
            fields = dict(value)
            if set(fields) != {"dtype", "shape", "data_offsets"}:
                found.add("another field in a tensor")
        if isinstance(fields["dtype"], Object):
            found.add("a dtype as an object")
        product = 1
        for size in fields["shape"]:
            product *= max(size, 1)
        if product > MOST_NUMBERS:
            found.add("sizes beyond any memory")
        taken += 64 + len(key.encode()) + 16 * len(fields["shape"])
    if taken > LARGEST_LIST:
        found.add("a list of more than 524,288 bytes")
    if longest_token(text.encode()) > LONGEST_TOKEN:
        found.add("a token of more than 16,384 bytes")
    return found


def longest_token(text):
    """The most bytes in a string, or from one of " , : [ ] to the next."""
    longest, start, at = 0, 0, 0
    in_string = False
    while at < len(text):
        byte = text[at:at + 1]
        if in_string and byte == b"\\":
            at += 2
            continue
        if byte == b'"' or (not in_string and byte in b",:[]"):
            longest = max(longest, at - start)
            start = at
            in_string ^= byte == b'"'
        at += 1
    return max(longest, len(text) - start)


def answer_of_the_package(file):
    try:
        tensors = safetensors.deserialize(file)
    except (KeyboardInterrupt, MemoryError):
        raise
    except BaseException:  # a panic of Rust is no Exception
        return None
    lines = [f"{name.encode().hex()}:{tensor['dtype']}:{','.join(map(str, tensor['shape']))}:{bytes(tensor['data']).hex()}"
             for name, tensor in tensors]
    return "+" + "".join(line + ";" for line in sorted(lines))


def compare(judge, files):
    """Counts, by what came out; and the files that should not be."""
    packed = b"".join(struct.pack("<I", len(file)) + file for file in files)
    run = subprocess.run([judge], input=packed, stdout=subprocess.PIPE, check=True)
    answers = run.stdout.decode().splitlines()
    assert len(answers) == len(files), "expected an answer for each file"
    counts, wrong = Counter(), []
    for file, ours in zip(files, answers):
        theirs = answer_of_the_package(file)
        if ours.startswith("+"):
            counts["accepted by both" if ours == theirs else
                   "accepted by gacc alone" if theirs is None else "read in another way"] += 1
            if ours != theirs:
                wrong.append((file, ours, theirs))
        elif theirs is None:
            counts["refused by both"] += 1
        else:
            found = reasons(file)
            for reason in found or {"without a reason"}:
                counts["refused by gacc alone: " + reason] += 1
            if not found:
                wrong.append((file, ours, theirs))
    return counts, wrong


def packed(header, data=b"", length=None):
    if isinstance(header, str):
        header = header.encode("utf-8", "surrogatepass")
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def tensor(dtype="F32", shape=(1,), offsets=(0, 4)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def crafted():
    """Every part of the format, a little or much too long, short, large, small, twice, or of another kind."""
    files = [b"", b"\0", bytes(7), bytes(8), bytes(9)]
    # Lengths.
    for length in [0, 1, 2, 3, 7, 8, 100_000_000, 100_000_001, 1 << 31, 1 << 32, (1 << 32) + 2, 1 << 63, (1 << 64) - 1,
                   (1 << 64) - 8, (1 << 64) - 6]:
        files.append(packed("{}", length=length))
        files.append(packed("{}" + " " * 100, length=length))
    # Every type with every count around what fits.
    for dtype, bits in BITS.items():
        for shape in [(), (0,), (1,), (2,), (3,), (4,), (2, 2), (0, 3), (1, 4, 1)]:
            count = 1
            for size in shape:
                count *= size
            for more in [-1, 0, 1]:
                size = (count * bits + 7) // 8 + more
                if size >= 0:
                    files.append(packed(json.dumps({"a": tensor(dtype, shape, (0, size))}), bytes(size)))
    for dtype in ["", "f32", "F32 ", "F128", "F8", "F8_E4M3FN", "INT8", "bool", "U4", "F4_E2M1", "C128"]:
        files.append(packed(json.dumps({"a": tensor(dtype)}), bytes(4)))
    # Values of every kind in every place.
    values = ["null", "true", "false", "0", "1", "-0", "-1", "1.0", "1e0", "0.5", "01", "+1", ".5", "1.", "0x1", "NaN",
              "Infinity", "4294967296", "144115188075855872", "4611686018427387904", "9223372036854775807",
              "9223372036854775808", "18446744073709551615", "18446744073709551616", "99999999999999999999999", '""',
              '"F32"', '"a"', "[]", "[0]", "[1]", "[0,4]", "[0,4,8]", "[[1]]", "[0,-4]", "[0,4.0]", "[4,0]", "{}",
              '{"F32":null}', '{"F32":{}}', '{"F32":[]}', '{"F32":1}', '{"F32":null,"F16":null}', '["F32",[1],[0,4]]',
              '["F32",[1]]', '["F32",[1],[0,4],1]', '{"dtype":"F32","shape":[1],"data_offsets":[0,4]}', "", " ", "}", "]",
              '"', "'F32'", "\\u0046", "[1,]", "[,1]", "nul", "truee"]
    places = ["{V}", "{{V}}", '{{"a":{V}}}', '{{"__metadata__":{V}}}', '{{"__metadata__":{{"a":{V}}}}}',
              '{{"a":{{"dtype":{V},"shape":[1],"data_offsets":[0,4]}}}}',
              '{{"a":{{"dtype":"F32","shape":{V},"data_offsets":[0,4]}}}}',
              '{{"a":{{"dtype":"F32","shape":[{V}],"data_offsets":[0,4]}}}}',
              '{{"a":{{"dtype":"F32","shape":[0,{V}],"data_offsets":[0,0]}}}}',
              '{{"a":{{"dtype":"F32","shape":[1],"data_offsets":{V}}}}}',
              '{{"a":{{"dtype":"F32","shape":[1],"data_offsets":[{V},4]}}}}',
              '{{"a":{{"dtype":"F32","shape":[1],"data_offsets":[0,{V}]}}}}',
              '{{"a":{{"dtype":"F32","shape":[1],"data_offsets":[0,4],"more":{V}}}}}',
              '{{"a":{{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}}}{V}',
              '{V}{{"a":{{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}}}']
    for place in places:
        for value in values:
            files.append(packed(place.replace("{V}", "\0").replace("{{", "{").replace("}}", "}").replace("\0", value),
                                bytes(4)))
            files.append(files[-1][:-4])
    # Fields that are missing, twice, in another order.
    fields = {"dtype": '"F32"', "shape": "[1]", "data_offsets": "[0,4]"}
    for first in fields:
        for second in fields:
            for third in fields:
                for extra in ["", *fields]:
                    text = ",".join(f'"{name}":{fields[name]}' for name in [first, second, third, extra] if name)
                    files.append(packed('{"a":{' + text + "}}", bytes(4)))
    # Two tensors: gaps, overlaps, order, names.
    for a in [(0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (0, 4), (2, 4), (4, 2)]:
        for b in [(0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (0, 4), (2, 4), (4, 2)]:
            for size in [2, 4]:
                header = {"a": tensor("U8", (max(a[1] - a[0], 0),), a), "b": tensor("U8", (max(b[1] - b[0], 0),), b)}
                files.append(packed(json.dumps(header), bytes(size)))
    same = json.dumps(tensor("U8", (0,), (0, 0)))
    names = ["a", "b", "", " ", "\\u0061", "\\u0000", "\\n", "\\/", "\\\"", "\\\\", "\\x", "\\ud83d\\ude00", "\\ud83d", "\\ude00",
             "\\ud83d\\ud83d", "\\u00e9", "\u00e9", "\ud83d", "\x01", "\x1f", "\x7f", "\0", "\u0080", "\uffff", "__metadata__",
             "__metadata__ ", "\\u005f_metadata__"]
    for first in names:
        files.append(packed(f'{{"{first}":{same}}}'))
        files.append(packed(f'{{"__metadata__":{{"{first}":"{first}"}}}}'))
        for second in ["a", "", "\\u00e9", first]:
            files.append(packed(f'{{"{first}":{same},"{second}":{same}}}'))
            files.append(packed(f'{{"__metadata__":{{"{first}":"","{second}":""}}}}'))
    for raw in [b"\xff", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xc3", b"\x80",
                b"\xef\xbb\xbf", b"\xf0\x9f\x98\x80"]:
        files.append(packed(b'{"' + raw + b'":' + same.encode() + b"}"))
        files.append(packed(raw + b"{}"))
        files.append(packed(b"{}" + raw))
        files.append(packed(b'{"__metadata__":{"a":"' + raw + b'"}}'))
    # Syntax.
    for text in ["", " ", "{}", " {}", "{} ", "\t\n\r{}\t\n\r", "\v{}", "\f{}", "\u00a0{}", "{}\0", "\0{}", "{\0}", "{}{}", "{}x", "[]",
                 "null", "{", "}", '{"a"}', '{"a":}', "{,}", '{"a":1,}', "{/**/}", "{//\n}", "{}//", "{'a':1}", "{a:1}", "{\"a\":{}}",
                 '{"a":[]}', "\"{}\"", "{\"__metadata__\":{}}", '{"__metadata__":{},"__metadata__":{}}',
                 '{"__metadata__":null,"__metadata__":{}}', '{"__metadata__":{"a":"b"},"a":' + same + "}",
                 '{"a":' + same + ',"__metadata__":{"a":"b"}}']:
        files.append(packed(text))
        files.append(packed(text, b"\0"))
    for depth in [2, 126, 127, 128, 129, 1000, 100_000]:
        files.append(packed("[" * depth + "]" * depth))
        files.append(packed('{"a":' * depth + "1" + "}" * depth))
        files.append(packed('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"b":' + "[" * depth + "]" * depth + "}}",
                            bytes(4)))
    # Long tokens and lists, around the limits.
    for length in [16_382, 16_383, 16_384, 16_385, 16_386, 100_000]:
        files.append(packed(json.dumps({"a" * length: tensor("U8", (0,), (0, 0))})))
        files.append(packed('{"__metadata__":{"a":"' + "," * length + '"}}'))
        files.append(packed("{" + " " * length + "}"))
        files.append(packed("{}" + " " * length))
        files.append(packed('{"a"' + " " * length + ":" + same + "}"))
    for count in [3_000, 5_000, 20_000]:
        files.append(packed(json.dumps({str(i): tensor("U8", (0,), (0, 0)) for i in range(count)})))
        files.append(packed(json.dumps({"__metadata__": {str(i): "" for i in range(count)}})))
        files.append(packed(json.dumps({"a": tensor("U8", (1,) * 10 * count, (0, 1))}), b"1"))
    # Products that overflow.
    for shape in [(1 << 32, 1 << 32), (1 << 31, 1 << 33), (1 << 62, 4), (1 << 61, 8), (1 << 63, 2), ((1 << 64) - 1,), (1 << 57,),
                  (1 << 57, 0), (0, 1 << 57), ((1 << 57) + 1, 0), (1 << 40, 1 << 40, 0), (0, 1 << 40, 1 << 40), (1 << 60, 0, 1 << 60),
                  (3, 0, 1 << 56), (1 << 63, 0), ((1 << 64) - 1, 0), (1 << 64, 0)]:
        for dtype in ["U8", "F4", "F64"]:
            files.append(packed(json.dumps({"a": tensor(dtype, shape, (0, 0))})))
            files.append(packed(json.dumps({"a": tensor(dtype, shape, (0, 8))}), bytes(8)))
    return files


def generated(rng):
    """A file as the format wants it, written in any of many ways."""
    header, data, end = [], b"", 0
    for i in range(rng.randrange(4)):
        dtype = rng.choice(list(BITS))
        shape = [rng.choice([0, 1, 1, 2, 2, 3, 4, 8]) for _ in range(rng.randrange(4))]
        count = BITS[dtype]
        for size in shape:
            count *= size
        if count % 8:
            shape.append(4)
            count *= 4
        size = count // 8
        name = rng.choice(["a", "0.weight", "\u00e9", "", "\"", "\\", "\U0001f600", "\n"]) + str(i)
        fields = [("dtype", dtype), ("shape", shape), ("data_offsets", [end, end + size])]
        rng.shuffle(fields)
        header.append((name, dict(fields)))
        data += rng.randbytes(size)
        end += size
    if rng.random() < 0.4:
        header.append(("__metadata__", {rng.choice("abc") * i: rng.choice(["pt", "\u00e9", ""]) for i in range(rng.randrange(4))}))
    rng.shuffle(header)
    text = json.dumps(dict(header), ensure_ascii=rng.random() < 0.5,
                      separators=rng.choice([(",", ":"), (", ", ": "), (" ,\n", "\t:\r")]), indent=rng.choice([None, None, 1]))
    return rng.choice(["", "", " ", "\n"]) + text + rng.choice(["", " ", "      "]), data


TOKENS = [b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"0", b"1", b"8", b"-", b".", b"e", b" ", b"\n", b"\0", b"null", b"true", b"{}",
          b"[]", b"[0]", b"[0,0]", b"[0,1]", b'"a"', b'"dtype"', b'"shape"', b'"data_offsets"', b'"__metadata__":{},', b'"x":1,', b'"F32"',
          b'"F4"', b'"BOOL"', b'"U8"', b"\\u0061", b"\\ud800", b"\xc3\xa9", b"\xff", b"4294967296", b"18446744073709551615",
          b'"e":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},', b"0,"]


def mutated(rng):
    """A generated file with a few changes, mostly in its header, whose length mostly fits."""
    text, data = generated(rng)
    header = bytearray(text.encode())
    for _ in range(rng.choice([1, 1, 1, 2, 3, 8])):
        at = rng.randrange(len(header) + 1)
        kind = rng.randrange(9)
        if kind == 0 and at < len(header):
            header[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and at < len(header):
            header[at] = rng.choice(b'{}[]",:0123456789 \\')
        elif kind == 2:
            header[at:at] = rng.choice(TOKENS)
        elif kind == 3:
            del header[at:at + rng.choice([1, 1, 1, 2, 5, 20])]
        elif kind == 4:
            end = at + rng.randrange(30)
            header[at:at] = header[at:end]
        elif kind == 5:
            digits = [i for i, byte in enumerate(header) if 48 <= byte <= 57]
            if digits:
                header[rng.choice(digits)] = rng.randrange(48, 58)
        elif kind == 6:
            quotes = [i for i, byte in enumerate(header) if byte == 34]
            if len(quotes) > 1:
                first = rng.randrange(len(quotes) - 1)
                header[quotes[first]:quotes[first + 1] + 1] = rng.choice(TOKENS)
        elif kind == 7:
            data = rng.choice([data[:-1], data + b"\0", data + data, b""])
        else:
            other = generated(rng)[0].encode()
            first = rng.randrange(len(other) + 1)
            header[at:at + rng.randrange(20)] = other[first:first + rng.randrange(20)]
    length = len(header) + (rng.choice([-8, -1, 1, 8]) if rng.random() < 0.03 else 0)
    file = packed(bytes(header), data, max(length, 0))
    return file[:rng.randrange(len(file) + 1)] if rng.random() < 0.02 else file


def work(task):
    judge, seed, count = task
    rng = random.Random(seed)
    files = [packed(*generated(rng)) if i % 10 == 0 else mutated(rng) for i in range(count)]
    return compare(judge, files)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("judge")
    parser.add_argument("--mutated", type=int, default=5_000, metavar="N", help="one in ten of them is left as generated")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    files = list(dict.fromkeys(crafted()))
    counts, wrong = compare(options.judge, files)
    piece = 10_000
    tasks = [(options.judge, f"{options.seed} {first}", min(piece, options.mutated - first))
             for first in range(0, options.mutated, piece)]
    with multiprocessing.Pool(options.jobs) as pool:
        for more, also_wrong in pool.imap_unordered(work, tasks):
            counts += more
            wrong += also_wrong[:20]
    print(f"safetensors {safetensors.__version__}: {len(files):,} crafted files, {options.mutated:,} mutated")
    for what, count in sorted(counts.items()):
        name = what.removeprefix("refused by gacc alone: ")
        print(f"{count:10,}  {what}" + (f" ({REASONS[name]})" if name in REASONS else ""))
    unused = [reason for reason in REASONS if not counts["refused by gacc alone: " + reason]]
    for reason in unused:
        print(f"FAILED: no file was refused for {reason}: is the list still right?")
    for file, ours, theirs in wrong[:20]:
        print(f"FAILED: {file[:2000]!r}\n  gacc: {ours[:300]}\n  package: {theirs and theirs[:300]}")
    return 1 if wrong or unused else 0


if __name__ == "__main__":
    sys.exit(main())
