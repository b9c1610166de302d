// See targets.h.
#include "tests/fuzz/targets.h"

namespace rapport::fuzz {

std::span<const Target> Targets() {
  static constexpr Target kTargets[] = {{"http_head", HttpHead},   {"json_body", JsonBody},
                                        {"filter", FilterText},    {"csv_mapping", CsvAndMapping},
                                        {"model_file", ModelFile}, {"tokens", Tokens}};
  return kTargets;
}

}  // namespace rapport::fuzz
