// The ground floor: times and zones, text and decimals, hashes against published vectors, seeded randomness, parallel
// loops, whole files and locks.
#include <gtest/gtest.h>

#include <fstream>
#include <numeric>
#include <vector>

#include "base/crypto.h"
#include "base/file.h"
#include "base/parallel.h"
#include "base/random.h"
#include "base/temp_folder.h"
#include "base/text.h"
#include "base/time.h"
#include "base/time_zone.h"

namespace rapport {
namespace {

std::string_view View(const Digest256& digest) { return {reinterpret_cast<const char*>(digest.data()), digest.size()}; }

TEST(TimeTest, Rfc3339IsReadAndWritten) {
  EXPECT_EQ(ParseRfc3339("1970-01-01T00:00:00Z")->ms, 0);
  EXPECT_EQ(ParseRfc3339("2010-12-01T08:26:00Z")->ms, 1291191960000);
  EXPECT_EQ(ParseRfc3339("2010-12-01T09:26:00+01:00")->ms, 1291191960000);
  EXPECT_EQ(ParseRfc3339("2010-12-01t08:26:00.123456z")->ms, 1291191960123);
  EXPECT_EQ(ParseRfc3339("2010-12-01")->ms, 1291161600000);
  EXPECT_EQ(ParseRfc3339("2016-12-31T23:59:60Z")->ms, ParseRfc3339("2017-01-01T00:00:00Z")->ms) << "leap second";
  EXPECT_EQ(FormatRfc3339({1291191960000}), "2010-12-01T08:26:00Z");
  EXPECT_EQ(FormatRfc3339({-1}), "1969-12-31T23:59:59.999Z");
  for (const char* bad : {"", "2010", "2010-13-01", "2011-02-29", "2010-12-01T25:00:00Z", "2010-12-01T08:26:00",
                          "2010-12-01T08:26:00Zjunk", "2010-12-01T08:26:00+25:00", "2010-12-01T08:26:00.Z"}) {
    EXPECT_FALSE(ParseRfc3339(bad).ok()) << bad;
  }
}

TEST(TimeTest, EveryDayOfFourCenturiesSurvivesTheRoundTrip) {
  for (Timestamp t{-5'000'000'000'000}; t.ms < 7'000'000'000'000; t.ms += 7 * kDayMs + 12'345'000) {
    EXPECT_EQ(CivilToUtc(UtcToCivil(t)).ms, t.ms - ((t.ms % 1000) + 1000) % 1000);
    EXPECT_EQ(ParseRfc3339(FormatRfc3339(t))->ms, t.ms);
  }
}

TEST(TimeZoneTest, LondonJumpsInSpringAndRepeatsInAutumn) {
  const TimeZone london = TimeZone::Open("Europe/London").Take();
  const auto utc = [&](CivilTime wall) { return FormatRfc3339(london.ToUtc(wall)); };
  EXPECT_EQ(utc({2010, 12, 1, 8, 26, 0}), "2010-12-01T08:26:00Z");
  EXPECT_EQ(utc({2010, 7, 1, 8, 26, 0}), "2010-07-01T07:26:00Z");
  EXPECT_EQ(utc({2011, 3, 27, 1, 30, 0}), "2011-03-27T01:30:00Z") << "skipped: as far after the jump";
  EXPECT_EQ(utc({2011, 10, 30, 1, 30, 0}), "2011-10-30T00:30:00Z") << "repeated: the first";
  const CivilTime wall = london.ToWall({ParseRfc3339("2011-06-01T11:00:00Z")->ms});
  EXPECT_EQ(wall.hour, 12);
  EXPECT_FALSE(TimeZone::Open("Mars/Base").ok());
  EXPECT_FALSE(TimeZone::Open("").ok());
}

TEST(TextTest, Utf8IsChecked) {
  for (const char* good : {"", "abc", "\xC3\xA9", "\xE4\xB8\xAD", "\xF0\x9F\x98\x80"}) EXPECT_TRUE(IsValidUtf8(good));
  EXPECT_TRUE(IsValidUtf8(std::string_view("a\0b", 3)));
  // Overlong, surrogate, beyond U+10FFFF, cut, lone trail, GBK.
  for (const char* bad : {"\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE4\xB8", "\x80", "\xD6\xD0\xB9\xFA"}) {
    EXPECT_FALSE(IsValidUtf8(bad));
  }
  EXPECT_EQ(FindInvalidUtf8("abc\xFF"), 3u);
}

TEST(TextTest, DecimalsComeBackAsWritten) {
  for (const char* text : {"0", "12.50", "-0.001", "6.95", "999999999999999999", "-11062.06"}) {
    EXPECT_EQ(FormatDecimal(*ParseDecimal(text)), text);
  }
  EXPECT_EQ(FormatDecimal(*ParseDecimal("+1.5e2")), "150");
  EXPECT_EQ(FormatDecimal(*ParseDecimal("1e-3")), "0.001");
  EXPECT_EQ(FormatDecimal(*ParseDecimal(".5")), "0.5");
  EXPECT_DOUBLE_EQ(ParseDecimal("12.75")->ToDouble(), 12.75);
  for (const char* bad :
       {"", "-", ".", "1,5", "NaN", "inf", "1e", "1e99", "1234567890123456789", "0.0000000001", "1 "}) {
    EXPECT_FALSE(ParseDecimal(bad).ok()) << bad;
  }
}

TEST(TextTest, NumbersMustBeWhole) {
  EXPECT_EQ(ParseInt64("-42"), -42);
  EXPECT_FALSE(ParseInt64("42x"));
  EXPECT_FALSE(ParseInt64("99999999999999999999"));
  EXPECT_FALSE(ParseDouble("nan"));
  EXPECT_FALSE(ParseDouble("1e999"));
}

TEST(TextTest, MessagesQuoteWhatCanBeReadAndEscapeTheRest) {
  EXPECT_EQ(QuoteForMessage("a\n\xFF", 64), "'a\\x0a\\xff'");
  EXPECT_EQ(QuoteForMessage("雪 Zürich 😀"), "'雪 Zürich 😀'");
  // What would move a terminal's cursor, hide, or turn round what stands beside it.
  for (const std::string_view hidden : {"\x1b[2J", "\x7f", "\xc2\x9b", "\xe2\x80\xae", "\xe2\x80\x8b", "\xe2\x81\xa6",
                                        "\xef\xbb\xbf", "\xf3\xa0\x81\x81", "'", "\\"}) {
    EXPECT_EQ(QuoteForMessage(hidden).find("'\\x"), 0u) << QuoteForMessage(hidden);
  }
  EXPECT_EQ(QuoteForMessage("\xed\xa0\x80"), "'\\xed\\xa0\\x80'");  // a surrogate is no text
  // The cut goes before a letter, never through it; a text that itself ends inside one is told as it is.
  EXPECT_EQ(QuoteForMessage("雪雪", 5), "'雪'...");
  EXPECT_EQ(QuoteForMessage("雪\xe9\x9b"), "'雪\\xe9\\x9b'");
  for (size_t max = 0; max < 12; ++max) EXPECT_TRUE(IsValidUtf8(QuoteForMessage("aü雪😀b", max))) << max;
  Random random(3);
  for (int i = 0; i < 20000; ++i) {
    std::string bytes(random.Below(12), ' ');
    for (char& byte : bytes) byte = static_cast<char>(random.Below(256));
    const std::string quoted = QuoteForMessage(bytes, random.Below(14));
    ASSERT_TRUE(IsValidUtf8(quoted)) << i;
    for (const char c : quoted) ASSERT_FALSE(static_cast<unsigned char>(c) < 0x20 || c == 0x7f) << i;
  }
}

TEST(CryptoTest, HashesMatchPublishedVectors) {
  // FIPS 180-2 appendix B.1; RFC 4231 test case 2 (the key padded with zeros, as HMAC does itself).
  EXPECT_EQ(ToHex(View(Sha256("abc"))), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  SecretKey key{};
  std::copy_n("Jefe", 4, key.begin());
  EXPECT_EQ(ToHex(View(HmacSha256(key, "what do ya want for nothing?"))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  Sha256Stream stream;
  stream.Update("a");
  stream.Update("bc");
  EXPECT_EQ(stream.Finish(), Sha256("abc"));
}

// RFC 2104: H((key ^ opad) || H((key ^ ipad) || text)), the hash from the other library. Twin seen caught: the text's
// last byte left out.
TEST(CryptoTest, MessageAuthenticationIsItsDefinition) {
  Random random(2);
  for (size_t size = 0; size < 200; ++size) {
    SecretKey key;
    for (uint8_t& byte : key) byte = static_cast<uint8_t>(random.NextU64());
    std::string text;
    for (size_t i = 0; i < size; ++i) text.push_back(static_cast<char>(random.NextU64()));
    std::string inner(64, '\x36'), outer(64, '\x5c');
    for (size_t i = 0; i < key.size(); ++i) {
      inner[i] = static_cast<char>(inner[i] ^ key[i]);
      outer[i] = static_cast<char>(outer[i] ^ key[i]);
    }
    const Digest256 hashed = Sha256(inner + text);
    EXPECT_EQ(HmacSha256(key, text), Sha256(outer + std::string(View(hashed)))) << size;
  }
}

TEST(CryptoTest, Base64UrlHasOneTextPerValue) {
  Random random(1);
  for (size_t size = 0; size < 100; ++size) {
    std::string bytes;
    for (size_t i = 0; i < size; ++i) bytes.push_back(static_cast<char>(random.NextU64()));
    EXPECT_EQ(*FromBase64Url(ToBase64Url(bytes)), bytes);
  }
  EXPECT_EQ(*FromBase64("dXNlcjo="), "user:");
  for (const char* bad : {"a", "YR", "YQ==", "Y+", "Y\n"}) EXPECT_FALSE(FromBase64Url(bad).ok()) << bad;
  for (const char* bad : {"YQ", "Y Q=", "YQ=\n", "===="}) EXPECT_FALSE(FromBase64(bad).ok()) << bad;
}

TEST(CryptoTest, SealedBytesOpenAsTheyWereAndOnlyThen) {
  // RFC 5297 appendix A.1.
  SecretKey key;
  for (size_t i = 0; i < 16; ++i) key[i] = static_cast<uint8_t>(0xff - i);
  for (size_t i = 0; i < 16; ++i) key[16 + i] = static_cast<uint8_t>(0xf0 + i);
  std::string purpose, plain = "\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee";
  for (int i = 0x10; i < 0x28; ++i) purpose.push_back(static_cast<char>(i));
  const std::string sealed = *SealSiv(key, purpose, plain);
  EXPECT_EQ(ToHex(sealed), "85632d07c6e8f37f950acd320a2ecc9340c02b9690c4dc04daef7f6afe5c");
  EXPECT_EQ(*OpenSiv(key, purpose, sealed), plain);
  EXPECT_EQ(*SealSiv(key, purpose, plain), sealed);
  for (size_t i = 0; i < sealed.size(); ++i) {
    std::string changed = sealed;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_EQ(OpenSiv(key, purpose, changed).status().code(), StatusCode::kInvalidArgument) << i;
    EXPECT_FALSE(OpenSiv(key, purpose, std::string_view(sealed).substr(0, i)).ok()) << i;
  }
  EXPECT_FALSE(OpenSiv(key, "another purpose", sealed).ok());
  EXPECT_FALSE(OpenSiv(SecretKey{1}, purpose, sealed).ok());
}

TEST(CryptoTest, ConstantTimeEqualIsEqual) {
  EXPECT_TRUE(ConstantTimeEqual("secret", "secret"));
  EXPECT_FALSE(ConstantTimeEqual("secret", "secreT"));
  EXPECT_FALSE(ConstantTimeEqual("secret", "secre"));
}

TEST(RandomTest, StreamsAreFixedAndForksDiffer) {
  Random a(7), b(7);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(a.NextU64(), b.NextU64());
  EXPECT_NE(Random(7).Fork(1).NextU64(), Random(7).Fork(2).NextU64());
  // The stream of seed 7 is part of the signature of behaviour: it may never change.
  EXPECT_EQ(Random(7).NextU64(), Random(7).NextU64());
  double sum = 0, squares = 0;
  Random normal(3);
  for (int i = 0; i < 100000; ++i) {
    const double x = normal.Normal();
    sum += x;
    squares += x * x;
  }
  EXPECT_NEAR(sum / 100000, 0, 0.02);
  EXPECT_NEAR(squares / 100000, 1, 0.02);
}

TEST(ParallelTest, EveryIndexOnceAndBlocksAreFixed) {
  for (const int threads : {1, 2, 5}) {
    for (const size_t count : {0u, 1u, 99u, 1000u}) {
      std::vector<int> seen(count, 0);
      std::vector<size_t> block_of(count, 0);
      ParallelFor(count, 7, threads, [&](size_t begin, size_t end, size_t block) {
        for (size_t i = begin; i < end; ++i) {
          ++seen[i];
          block_of[i] = block;
        }
      });
      for (size_t i = 0; i < count; ++i) {
        EXPECT_EQ(seen[i], 1);
        EXPECT_EQ(block_of[i], i / 7);
      }
    }
  }
}

TEST(FileTest, WritesAreWholeAndSecretsAreSecret) {
  TempFolder folder;
  const std::string path = folder.path() + "/file";
  ASSERT_TRUE(WriteFileAtomically(path, "one", FileMode::kSecret).ok());
  ASSERT_TRUE(WriteFileAtomically(path, "two", FileMode::kSecret).ok());
  EXPECT_EQ(*ReadFile(path, 100), "two");
  EXPECT_EQ(std::filesystem::status(path).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  EXPECT_EQ(ReadFile(path, 2).status().code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(ReadFile(path + "-none", 2).status().code(), StatusCode::kNotFound);
  EXPECT_FALSE(WriteFileAtomically(folder.path() + "/no/such/folder", "x", FileMode::kPublic).ok());
}

TEST(FileTest, ALockTellsWhoHoldsIt) {
  TempFolder folder;
  {
    const Result<FileLock> first = FileLock::Acquire(folder.path() + "/lock", "the first");
    ASSERT_TRUE(first.ok());
    const Result<FileLock> second = FileLock::Acquire(folder.path() + "/lock", "the second");
    ASSERT_FALSE(second.ok());
    EXPECT_NE(second.status().message().find("the first"), std::string::npos);
  }
  EXPECT_TRUE(FileLock::Acquire(folder.path() + "/lock", "the third").ok());
}

}  // namespace
}  // namespace rapport
