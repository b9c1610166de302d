// See targets.h.
#include <string>

#include "base/crypto.h"
#include "models/content_model.h"
#include "tests/fuzz/targets.h"

namespace rapport::fuzz {

void ModelFile(std::string_view bytes) {
  (void)ParseContentModel(bytes, "fuzz");
  constexpr size_t kDigestBytes = 32;
  if (bytes.size() < kDigestBytes) return;
  std::string summed(bytes.substr(0, bytes.size() - kDigestBytes));
  const Digest256 digest = Sha256(summed);
  summed.append(reinterpret_cast<const char*>(digest.data()), digest.size());
  const Result<ContentModel> model = ParseContentModel(summed, "fuzz");
  if (!model.ok()) return;
  Promise(CheckContentModel(*model).ok(), "a model that was read is sound");
  Promise(ParseContentModel(SerializeContentModel(*model), "again").ok(), "and is read again when written");
}

}  // namespace rapport::fuzz
