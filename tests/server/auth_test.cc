// Keys in all the places they may stand, and everything that must not be let in.
#include "server/auth.h"

#include "tests/server/http_fixture.h"

namespace rapport {
namespace {

const Timestamp kNow{1'700'000'000'000};

std::string Base64(std::string_view text) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < text.size(); i += 3) {
    const size_t have = std::min<size_t>(3, text.size() - i);
    uint32_t bits = 0;
    for (size_t b = 0; b < 3; ++b) bits = (bits << 8) | (b < have ? static_cast<uint8_t>(text[i + b]) : 0);
    for (size_t d = 0; d < 4; ++d) out += d <= have ? kDigits[(bits >> (18 - 6 * d)) & 63] : '=';
  }
  return out;
}

class AuthTest : public ::testing::Test {
 protected:
  Result<Identity> WithHeader(const std::string& authorization) {
    return authenticator_.Authenticate({authorization, "", ""}, kNow);
  }
  FakeKeys keys_;
  Authenticator authenticator_{keys_, SecretKey{1, 2, 3}, 4};
};

TEST_F(AuthTest, FindsTheKeyInEveryPlace) {
  const std::string key = keys_.Add(KeyKind::kServer, {Scope::kEvents, Scope::kCatalog});
  for (const std::string& header : {"Bearer " + key, "bearer  " + key + " ", "Basic " + Base64(key + ":"),
                                    "BASIC " + Base64(key + ":ignored"), "Basic " + Base64(key)}) {
    const Result<Identity> identity = WithHeader(header);
    ASSERT_TRUE(identity.ok()) << header;
    EXPECT_EQ(identity->key_id, IdOf(key));
    EXPECT_TRUE(identity->Has(Scope::kCatalog));
    EXPECT_FALSE(identity->Has(Scope::kOperate));
  }
  EXPECT_TRUE(authenticator_.Authenticate({"", key, ""}, kNow).ok());
}

TEST_F(AuthTest, RefusesEverythingElseInTheSameWords) {
  const std::string key = keys_.Add(KeyKind::kServer, {Scope::kEvents});
  const std::string other = keys_.Add(KeyKind::kServer, {Scope::kEvents});
  const std::string crossed = "rk_" + IdOf(key) + other.substr(15);
  const std::string message = WithHeader("").status().message();
  for (const std::string& text : {std::string(), std::string("rk_"), key.substr(0, 16), key.substr(0, key.size() - 1),
                                  key + "x", crossed, "rk_000000000000_" + key.substr(16), std::string(5000, 'r'),
                                  "RK" + key.substr(2), key + std::string(1, '\0')}) {
    const Result<Identity> identity = WithHeader("Bearer " + text);
    ASSERT_FALSE(identity.ok()) << text;
    EXPECT_EQ(identity.status().code(), StatusCode::kUnauthenticated);
    EXPECT_EQ(identity.status().message(), message);
  }
  EXPECT_FALSE(WithHeader("Digest " + key).ok());
  EXPECT_FALSE(WithHeader("Basic !!!").ok());
  EXPECT_FALSE(WithHeader(key).ok());
}

TEST_F(AuthTest, KeysEndWhenTheyExpire) {
  const std::string key = keys_.Add(KeyKind::kServer, {Scope::kEvents}, Timestamp{kNow.ms + 1});
  EXPECT_TRUE(authenticator_.Authenticate({"", key, ""}, kNow).ok());
  EXPECT_FALSE(authenticator_.Authenticate({"", key, ""}, Timestamp{kNow.ms + 1}).ok());
}

TEST_F(AuthTest, RevocationBindsOnceForgotten) {
  const std::string key = keys_.Add(KeyKind::kServer, {Scope::kEvents});
  EXPECT_TRUE(WithHeader("Bearer " + key).ok());
  EXPECT_TRUE(WithHeader("Bearer " + key).ok());
  EXPECT_EQ(keys_.lookups(), 1);  // the second came from the cache
  keys_.Revoke(IdOf(key));
  authenticator_.Forget(IdOf(key));
  EXPECT_FALSE(WithHeader("Bearer " + key).ok());
}

// A record read before the revocation must not enter the cache after it.
TEST_F(AuthTest, ForgettingWhileReadingIsNotLost) {
  class SlowKeys final : public KeySource {
   public:
    explicit SlowKeys(FakeKeys& keys) : keys_(keys) {}
    Result<ApiKey> Find(const std::string& id) const override {
      Result<ApiKey> key = keys_.Find(id);
      if (meanwhile) std::exchange(meanwhile, nullptr)();
      return key;
    }
    mutable std::function<void()> meanwhile;

   private:
    FakeKeys& keys_;
  };
  SlowKeys slow(keys_);
  Authenticator authenticator(slow, SecretKey{});
  const std::string key = keys_.Add(KeyKind::kServer, {Scope::kEvents});
  slow.meanwhile = [&] {
    keys_.Revoke(IdOf(key));
    authenticator.Forget(IdOf(key));
  };
  (void)authenticator.Authenticate({"", key, ""}, kNow);  // began before the revocation: either answer is right
  EXPECT_FALSE(authenticator.Authenticate({"", key, ""}, kNow).ok());
}

TEST_F(AuthTest, TheCacheIsBounded) {
  std::vector<std::string> all;
  for (int i = 0; i < 10; ++i) all.push_back(keys_.Add(KeyKind::kServer, {Scope::kEvents}));
  for (int round = 0; round < 2; ++round) {
    for (const std::string& key : all) EXPECT_TRUE(WithHeader("Bearer " + key).ok());
  }
  EXPECT_EQ(keys_.lookups(), 20);  // ten in turn never fit into four
}

TEST_F(AuthTest, BrowserKeysCannotHaveMore) {
  const uint8_t operate = 1u << static_cast<unsigned>(Scope::kOperate);
  EXPECT_EQ(MakeKey("x", KeyKind::kBrowser, operate, kNow).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(MakeKey("x", KeyKind::kServer, 0, kNow).status().code(), StatusCode::kInvalidArgument);
}

TEST_F(AuthTest, BrowserKeysActForTheirVisitorOnly) {
  const std::string key = keys_.Add(KeyKind::kBrowser, {Scope::kEvents, Scope::kRecommend});
  const CustomerRef visitor{CustomerNamespace::kAnonymous, std::string("v/\0\xF0\x9F\x98\x80", 7)};
  const std::string token = authenticator_.MintVisitor(visitor, Timestamp{kNow.ms + 1000});
  const Result<Identity> identity = authenticator_.Authenticate({"", key, token}, kNow);
  ASSERT_TRUE(identity.ok());
  EXPECT_TRUE(MayActFor(*identity, visitor).ok());
  EXPECT_EQ(MayActFor(*identity, {CustomerNamespace::kUser, visitor.external_id}).code(),
            StatusCode::kPermissionDenied);
  EXPECT_EQ(MayActFor(*identity, {CustomerNamespace::kAnonymous, "other"}).code(), StatusCode::kPermissionDenied);

  const Result<Identity> nobody = authenticator_.Authenticate({"", key, ""}, kNow);
  ASSERT_TRUE(nobody.ok());
  EXPECT_FALSE(MayActFor(*nobody, visitor).ok());

  const std::string server = keys_.Add(KeyKind::kServer, {Scope::kEvents});
  EXPECT_TRUE(MayActFor(*authenticator_.Authenticate({"", server, ""}, kNow), visitor).ok());
}

TEST_F(AuthTest, VisitorTokensCannotBeForgedOrOutlived) {
  const CustomerRef visitor{CustomerNamespace::kAnonymous, "v1"};
  const std::string token = authenticator_.MintVisitor(visitor, Timestamp{kNow.ms + 1000});
  EXPECT_EQ(*authenticator_.ReadVisitor(token, kNow), visitor);
  EXPECT_FALSE(authenticator_.ReadVisitor(token, Timestamp{kNow.ms + 1000}).ok());
  for (size_t i = 0; i < token.size(); ++i) {
    std::string forged = token;
    forged[i] = forged[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(authenticator_.ReadVisitor(forged, kNow).ok()) << i;
  }
  EXPECT_FALSE(authenticator_.ReadVisitor("", kNow).ok());
  EXPECT_FALSE(authenticator_.ReadVisitor(token.substr(0, token.find('.')), kNow).ok());
  const Authenticator other_store(keys_, SecretKey{9});
  EXPECT_FALSE(other_store.ReadVisitor(token, kNow).ok());
  const std::string key = keys_.Add(KeyKind::kBrowser, {Scope::kEvents});
  EXPECT_FALSE(authenticator_.Authenticate({"", key, "forged.token"}, kNow).ok());  // said, not ignored
}

}  // namespace
}  // namespace rapport
