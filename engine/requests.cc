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

const char* BecauseName(Because because) {
  switch (because) {
    case Because::kOrdered: return "ordered";
    case Because::kAdded: return "added";
    case Because::kViewed: return "viewed";
    case Because::kClicked: return "clicked";
    case Because::kRated: return "rated";
    case Because::kOther: return "other";
    case Because::kBoughtWith: return "bought-with";
    case Because::kSimilarTo: return "similar-to";
    case Because::kPopular: return "popular";
    case Because::kRecent: return "recent";
    case Because::kTrending: return "trending";
    case Because::kCategory: return "category";
    case Because::kNew: return "new";
    case Because::kConfigured: return "configured";
    case Because::kPinned: return "pinned";
    case Because::kExplored: return "explored";
    case Because::kModel: return "model";
  }
  return "model";
}

}  // namespace rapport
