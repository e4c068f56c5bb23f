"""conan create packaging/conan (Conan 2), from the folder of the repository."""

import re
from pathlib import Path

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.files import copy, load
from conan.tools.layout import basic_layout

ROOT = Path(__file__).resolve().parent.parent.parent


class Gacc(ConanFile):
    name = "gacc"
    description = "Exact gradient accumulation on Eigen: a header-only C++20 library to train neural networks"
    license = "MIT"
    topics = ("machine-learning", "gradient-accumulation", "reproducibility", "eigen", "header-only")
    package_type = "header-library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"io": [True, False], "gzip": [True, False]}  # what gacc/io/ and gacc/data/gzip.hpp need
    default_options = {"io": False, "gzip": False}
    no_copy_source = True

    def set_version(self):
        header = load(self, ROOT / "include/gacc/version.hpp")
        self.version = ".".join(re.findall(r"#define GACC_VERSION_\w+ (\d+)", header))

    def export_sources(self):
        for pattern in ["CMakeLists.txt", "LICENSE", "cmake/*", "include/*"]:
            copy(self, pattern, ROOT, self.export_sources_folder)

    def layout(self):
        basic_layout(self)

    def requirements(self):
        self.requires("eigen/3.4.0", transitive_headers=True)
        if self.options.io:
            self.requires("nlohmann_json/3.11.2", transitive_headers=True)
        if self.options.gzip:
            self.requires("zlib/[>=1.2.11 <2]", transitive_headers=True)

    def validate(self):
        check_min_cppstd(self, 20)

    def package_id(self):
        self.info.clear()

    def package(self):
        copy(self, "LICENSE", self.source_folder, Path(self.package_folder) / "licenses")
        copy(self, "*.hpp", Path(self.source_folder) / "include", Path(self.package_folder) / "include")

    def package_info(self):
        self.cpp_info.bindirs = []
        self.cpp_info.libdirs = []
        self.cpp_info.set_property("cmake_file_name", "gacc")
        self.cpp_info.set_property("cmake_target_name", "gacc::gacc")
        self.cpp_info.set_property("pkg_config_name", "gacc")
        if self.settings.get_safe("os") in ("Linux", "FreeBSD"):
            self.cpp_info.system_libs = ["pthread"]
