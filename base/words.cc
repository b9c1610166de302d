#include "base/words.h"

#include <unicode/brkiter.h>
#include <unicode/normalizer2.h>
#include <unicode/unistr.h>

namespace rapport {

struct WordBreaker::Impl {
  const icu::Normalizer2* normalizer = nullptr;  // ICU's own, lives for ever
  std::unique_ptr<icu::BreakIterator> breaks;
};

WordBreaker::WordBreaker() : impl_(std::make_unique<Impl>()) {
  UErrorCode error = U_ZERO_ERROR;
  impl_->normalizer = icu::Normalizer2::getNFKCCasefoldInstance(error);
  impl_->breaks.reset(icu::BreakIterator::createWordInstance(icu::Locale::getRoot(), error));
  // Without ICU's data there are no words; nothing else depends on them.
  if (U_FAILURE(error)) impl_->breaks.reset();
}
WordBreaker::WordBreaker(WordBreaker&&) noexcept = default;
WordBreaker::~WordBreaker() = default;

std::vector<std::string> WordBreaker::Words(std::string_view text, size_t most) {
  std::vector<std::string> words;
  if (impl_->breaks == nullptr) return words;
  UErrorCode error = U_ZERO_ERROR;
  const icu::UnicodeString raw =
      icu::UnicodeString::fromUTF8(icu::StringPiece(text.data(), static_cast<int32_t>(text.size())));
  const icu::UnicodeString folded = impl_->normalizer->normalize(raw, error);
  if (U_FAILURE(error)) return words;
  impl_->breaks->setText(folded);
  int32_t begin = impl_->breaks->first();
  for (int32_t end = impl_->breaks->next(); end != icu::BreakIterator::DONE && words.size() < most;
       begin = end, end = impl_->breaks->next()) {
    if (impl_->breaks->getRuleStatus() < UBRK_WORD_NONE_LIMIT) continue;
    folded.tempSubStringBetween(begin, end).toUTF8String(words.emplace_back());
  }
  return words;
}

}  // namespace rapport
