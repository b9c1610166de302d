// See targets.h.
#include <string>

#include "base/crypto.h"
#include "engine/content/carried_question.h"
#include "engine/content/impression.h"
#include "server/gatekeeper.h"
#include "tests/fuzz/targets.h"

namespace rapport::fuzz {

void Tokens(std::string_view bytes) {
  static const SecretKey key = [] {
    SecretKey made{};
    made.fill(7);
    return made;
  }();
  class NoKeys final : public KeySource {
   public:
    Result<ApiKey> Find(const std::string&) const override { return Status::NotFound("none"); }
  };
  static const NoKeys none;
  static Authenticator authenticator(none, key);
  const std::string text(bytes);
  const Timestamp now{1772366400000};
  Promise(!authenticator.Authenticate({text, "", ""}, now).ok(), "no key is made up");
  Promise(!authenticator.Authenticate({"", text, text}, now).ok(), "no key is made up");
  Promise(!authenticator.ReadVisitor(text, now).ok(), "no visitor token is made up");
  Promise(!VerifyImpression(key, text).ok(), "no impression is made up");
  Promise(!VerifyCursor(key, text).ok(), "no cursor is made up");
  Promise(!ShortIdOf(key, text).ok(), "no id is made up");
  Promise(!OpenQuestion(key, text).ok(), "no question is made up");
  (void)DecodeQuestion(bytes);  // what a seal would have covered
  (void)FindWriteKey(bytes);
}

}  // namespace rapport::fuzz
