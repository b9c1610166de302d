#include "engine/requests.h"

namespace rapport {

const char* LevelName(Level level) {
  switch (level) {
    case Level::kPersonal: return "personal";
    case Level::kSession: return "session";
    case Level::kSimilar: return "similar";
    case Level::kSegment: return "segment";
    case Level::kPopular: return "popular";
    case Level::kStatic: return "static";
  }
  return "static";
}

}  // namespace rapport
