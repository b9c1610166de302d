// Rotation of what signs tokens: yesterday's are taken, forged ones are not, and after a leak nothing old is.
#include "server/signing_secrets.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/temp_folder.h"
#include "tests/server/http_fixture.h"

namespace rapport {
namespace {

const SecretKey kOfStore{9};
const CustomerRef kAnna{CustomerNamespace::kUser, "anna"};

class SigningSecretsTest : public ::testing::Test {
 protected:
  void Rotate(size_t kept) {
    const Status rotated = RotateSigningSecret(folder_.path(), kept, Timestamp{++days_ * kDayMs});
    ASSERT_TRUE(rotated.ok()) << rotated.ToString();
  }
  std::vector<SigningSecret> Secrets() const {
    auto secrets = ParseSigningSecrets(*ReadSigningSecretsText(folder_.path()));
    EXPECT_TRUE(secrets.ok()) << secrets.status().ToString();
    return secrets.Take();
  }
  void Use() { authenticator_.UseVisitorKeys(KeysFor(Secrets(), "visitor", kOfStore)); }
  std::string Mint() const { return authenticator_.MintVisitor(kAnna, Timestamp{1000 * kDayMs}); }
  bool Takes(const std::string& token) const { return authenticator_.ReadVisitor(token, Timestamp{0}).ok(); }

  TempFolder folder_;
  int64_t days_ = 0;
  FakeKeys keys_;
  Authenticator authenticator_{keys_, kOfStore};
};

TEST_F(SigningSecretsTest, WithoutAFileTheStoresOwnSigns) {
  const std::string before = Mint();
  Use();
  EXPECT_EQ(Secrets().size(), 1u);
  EXPECT_EQ(Mint(), before);
}

TEST_F(SigningSecretsTest, TokensOfTheLastTwoSecretsAreTaken) {
  std::vector<std::string> tokens{Mint()};
  for (int rotation = 0; rotation < 4; ++rotation) {
    Rotate(2);
    Use();
    tokens.push_back(Mint());
    EXPECT_NE(tokens.back(), tokens[tokens.size() - 2]) << "the new secret signs";
    for (size_t age = 0; age < tokens.size(); ++age) {
      EXPECT_EQ(Takes(tokens[tokens.size() - 1 - age]), age <= 2) << rotation << ", " << age << " rotations ago";
    }
  }
  EXPECT_EQ(Secrets().size(), 3u);
}

// The broken twin of a rotation: only the new secret is known, and yesterday's tokens are gone.
TEST_F(SigningSecretsTest, BrokenTwinForgetsYesterday) {
  const std::string yesterday = Mint();
  Rotate(2);
  authenticator_.UseVisitorKeys(KeysFor({Secrets().front()}, "visitor", kOfStore));
  EXPECT_FALSE(Takes(yesterday));
}

TEST_F(SigningSecretsTest, AfterALeakNothingOldIsTaken) {
  Rotate(2);
  Use();
  const std::string leaked = Mint();
  Rotate(0);
  Use();
  EXPECT_FALSE(Takes(leaked));
  EXPECT_TRUE(Takes(Mint()));
}

TEST_F(SigningSecretsTest, PurposesHaveKeysOfTheirOwn) {
  Rotate(2);
  authenticator_.UseVisitorKeys(KeysFor(Secrets(), "recommendation", kOfStore));
  const std::string other = Mint();
  Use();
  EXPECT_FALSE(Takes(other));
}

TEST_F(SigningSecretsTest, ABrokenFileIsSaid) {
  Rotate(1);
  const std::string text = *ReadSigningSecretsText(folder_.path());
  for (const std::string& broken :
       {std::string("x"), text.substr(0, 40), "2026-01-01T00:00:00Z " + std::string(64, 'g'),
        std::string("yesterday store"), text + "\n\n"}) {
    EXPECT_EQ(ParseSigningSecrets(broken).status().code(), StatusCode::kDataLoss) << broken;
  }
  ASSERT_TRUE(WriteFileAtomically(SigningSecretsFile(folder_.path()), "x", FileMode::kSecret).ok());
  EXPECT_EQ(RotateSigningSecret(folder_.path(), 2, Timestamp{0}).code(), StatusCode::kDataLoss) << "not overwritten";
}

}  // namespace
}  // namespace rapport
