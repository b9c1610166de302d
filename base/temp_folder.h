// A fresh folder that is removed with its owner: for tests, benches and whoever needs room for a moment.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>

namespace rapport {

class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "rapport-test-XXXXXX").string();
    path_ = ::mkdtemp(name.data()) == nullptr ? "" : name;
  }
  ~TempFolder() {
    std::error_code ignored;  // a folder that cannot be removed is the machine's business, not the test's
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace rapport
