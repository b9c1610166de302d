// The words of a text, ready to be compared: NFKC with case folded (Unicode Standard Annex 15), then cut at word
// boundaries (Annex 29; dictionaries for scripts without spaces), through ICU.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace rapport {

// One owner, one thread; costly to make, cheap to ask again.
class WordBreaker {
 public:
  WordBreaker();
  WordBreaker(WordBreaker&&) noexcept;
  ~WordBreaker();

  // Words and numbers in their order, at most `most`; punctuation and spaces are none. Bytes that are no UTF-8 are read
  // as U+FFFD, which is no word.
  std::vector<std::string> Words(std::string_view text, size_t most);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rapport
