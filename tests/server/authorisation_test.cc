// The matrix: every route x every credential x own and other object, each outcome held to authorisation_table.h. No
// outcome is taken from the route table: that is what is judged.
#include <algorithm>
#include <set>
#include <sstream>

#include "tests/server/authorisation_table.h"
#include "tests/server/endpoints_fixture.h"

namespace rapport {
namespace {

constexpr const char* kColumns[] = {"browser", "server", "marketer", "desk", "scientist", "operator"};
constexpr const char* kOwn = "ada";
constexpr const char* kOther = "bob";

// How a request is signed.
struct Credential {
  std::string name, key, visitor;
};

std::string Replaced(std::string text, const std::string& what, const std::string& with) {
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
  return text;
}

class AuthorisationTest : public EndpointsTest {
 protected:
  AuthorisationTest() {
    Put("/v1/items", R"([{"itemId":"x","title":"X"},{"itemId":"y","title":"Y"}])");
    for (const char* who : {kOwn, kOther}) {
      Post("/v1/track",
           std::string(R"({"userId":")") + who + R"(","event":"Product Viewed","properties":{"sku":"x"}})");
      lists_[who] = Post("/v1/recommendations", std::string(R"({"count":1,"customer":{"userId":")") + who + R"("}})")
                        .json["recommendationId"];
    }
    for (const KeyRole& role : KeyRoles()) roles_[role.name] = AddKey(role.kind, role.scopes);
    visitor_ = Token(kOwn, clock_.Now().ms + kHourMs);
    Result<NewKey> expired = MakeKey("old", KeyKind::kServer, 0xff, clock_.Now(), Timestamp{clock_.Now().ms});
    Result<NewKey> revoked = MakeKey("gone", KeyKind::kServer, 0xff, clock_.Now());
    revoked->record.revoked = true;
    EXPECT_TRUE(store_->ApplyAndWait({PutApiKey{expired->record}, PutApiKey{revoked->record}}).ok());
    refused_ = {{"expired", expired->text, ""},
                {"revoked", revoked->text, ""},
                {"unknown", "rk_000000000000_" + std::string(43, 'a'), ""},
                {"wrong secret", roles_["operator"].substr(0, 16) + std::string(43, 'a'), ""},
                {"no key at all", "nonsense", ""},
                {"browser, expired token", roles_["browser"], Token(kOwn, clock_.Now().ms)},
                {"browser, forged token", roles_["browser"], visitor_.substr(0, visitor_.size() - 2) + "xx"}};
  }

  std::string Token(const std::string& who, int64_t expires_at_ms) {
    return authenticator_->MintVisitor({CustomerNamespace::kUser, who}, Timestamp{expires_at_ms});
  }

  Sent RequestOf(const Allowed& row, const std::string& who) {
    const std::string route = row.route;
    const size_t space = route.find(' ');
    std::string target = *row.target == '\0' ? route.substr(space + 1) : row.target;
    for (size_t at = target.find('{'); at != std::string::npos; at = target.find('{')) {
      target.replace(at, target.find('}') - at + 1, "x");
    }
    const std::string body = Replaced(Replaced(row.body, "LIST", lists_[who]), "WHO", who);
    return {route.substr(0, space), Replaced(target, "WHO", who), body};
  }
  static bool NamesSomebody(const Allowed& row) {
    const std::string text = std::string(row.target) + row.body;
    return text.find("WHO") != std::string::npos || text.find("LIST") != std::string::npos;
  }

  // "401", "403" or "through". In a batch each call is refused by itself.
  std::string Outcome(Sent sent, const Credential& credential) {
    if (sent.method == "DELETE" && sent.target.starts_with("/v1/items")) Put("/v1/items", R"({"itemId":"x"})");
    sent.key = credential.key;
    sent.visitor = credential.visitor;
    sent.no_key = credential.key.empty();
    const Answered answered = Ask(sent);
    if (answered.status >= 500) return std::to_string(answered.status);
    const bool denied = answered.body.find("/problems/permission-denied") != std::string::npos;
    if (answered.status == 401) return "401";
    return answered.status == 403 || denied ? "403" : "through";
  }

  // Everything that a route does otherwise than its row says.
  std::vector<std::string> Faults(const Allowed& row) {
    std::vector<std::string> faults;
    const bool is_public = *row.scope == '\0';
    const auto expect = [&](const std::string& who, const Credential& credential, const std::string& expected) {
      ++asked_;
      const std::string got = Outcome(RequestOf(row, who), credential);
      if (got == (is_public ? "through" : expected)) return;
      faults.push_back(std::string(row.route) + ", " + credential.name + ", for " + who + ": " + got + ", not " +
                       expected);
    };
    std::istringstream who(row.who);
    std::string mark;
    std::map<std::string, bool> passes;
    for (const char* column : kColumns) {
      who >> mark;
      passes[column] = mark == "x";
      if ((mark == "*") != is_public) faults.push_back(std::string(row.route) + ": bad mark " + mark);
    }
    for (const char* object : {kOwn, kOther}) {
      expect(object, {"none", "", ""}, "401");
      for (const Credential& credential : refused_) expect(object, credential, "401");
      for (const char* column : kColumns) {
        if (std::string(column) == "browser") continue;
        expect(object, {column, roles_[column], ""}, passes[column] ? "through" : "403");
        // A visitor token adds nothing to a server key and takes nothing from it.
        expect(object, {column, roles_[column], visitor_}, passes[column] ? "through" : "403");
      }
      const bool own = std::string(object) == kOwn || !NamesSomebody(row);
      expect(object, {"browser", roles_["browser"], visitor_}, passes["browser"] && own ? "through" : "403");
      const std::string wrong = Token("carl", clock_.Now().ms + kHourMs);
      const bool named = NamesSomebody(row);
      expect(object, {"browser, wrong visitor", roles_["browser"], wrong},
             passes["browser"] && !named ? "through" : "403");
      expect(object, {"browser, no token", roles_["browser"], ""}, passes["browser"] && !named ? "through" : "403");
    }
    return faults;
  }

  // The same routes with one of them changed.
  void Twin(const Route& changed, std::function<void(Route&)> change) {
    twin_ = RouteTable();
    for (const Route& route : table_.routes()) {
      Route& added = twin_.Add(route);
      if (&route == &changed) change(added);
    }
    gate_ = std::make_unique<Gatekeeper>(twin_, *authenticator_, std::vector<std::string>{});
  }
  static std::string NameOf(const Route& route) { return std::string(MethodName(route.method)) + " " + route.pattern; }
  static const Allowed* RowOf(const Route& route) {
    const auto found = std::find_if(std::begin(kAuthorisation), std::end(kAuthorisation),
                                    [&](const Allowed& row) { return NameOf(route) == row.route; });
    return found == std::end(kAuthorisation) ? nullptr : found;
  }

  std::map<std::string, std::string> lists_, roles_;  // by customer; by name
  std::vector<Credential> refused_;                   // with 401
  std::string visitor_;
  RouteTable twin_;
  size_t asked_ = 0;
};

TEST_F(AuthorisationTest, EveryRouteIsInTheTableAndTheReverse) {
  std::set<std::string> routes, rows;
  for (const Route& route : table_.routes()) routes.insert(NameOf(route));
  for (const Allowed& row : kAuthorisation) EXPECT_TRUE(rows.insert(row.route).second) << row.route << " twice";
  EXPECT_EQ(routes, rows);
  for (const Route& route : table_.routes()) {
    const Allowed* row = RowOf(route);
    ASSERT_NE(row, nullptr) << NameOf(route);
    EXPECT_EQ(std::string(route.scope ? ScopeName(*route.scope) : ""), row->scope) << row->route;
  }
}

TEST_F(AuthorisationTest, EveryCredentialOnEveryRoute) {
  for (const Allowed& row : kAuthorisation) {
    for (const std::string& fault : Faults(row)) ADD_FAILURE() << fault;
  }
  for (const Allowed& part : kAuthorisationOfParts) {
    for (const std::string& fault : Faults(part)) ADD_FAILURE() << part.body << ": " << fault;
  }
  EXPECT_EQ(asked_, (std::size(kAuthorisation) + std::size(kAuthorisationOfParts)) * 2 * (1 + 7 + 5 * 2 + 3));
}

// Broken twin: a route that looks at its own scope only.
TEST_F(AuthorisationTest, APartWithoutItsScopeIsCaught) {
  for (const Allowed& part : kAuthorisationOfParts) {
    for (const Route& route : table_.routes()) {
      if (NameOf(route) != part.route) continue;
      std::vector<std::unique_ptr<Request>> kept;  // requests live until they are answered
      Twin(route, [&](Route& twin) {
        twin.handler = [&kept, handler = route.handler](const Request& request, Responder respond) {
          kept.push_back(std::make_unique<Request>(request));
          kept.back()->identity.scopes = 0xff;
          handler(*kept.back(), std::move(respond));
        };
      });
      EXPECT_FALSE(Faults(part).empty()) << part.body;
    }
  }
}

// Broken twins: a route without its scope, with another scope, open to browsers, or with a handler that forgets to ask
// whose things these are: the matrix tells each.
TEST_F(AuthorisationTest, ARouteThatLetsInTooManyIsCaught) {
  for (const Route& route : table_.routes()) {
    if (!route.scope) continue;
    const Allowed& row = *RowOf(route);
    Twin(route, [](Route& twin) { twin.scope.reset(); });
    EXPECT_FALSE(Faults(row).empty()) << row.route << " without a scope";
    const Scope other = *route.scope == Scope::kCampaigns ? Scope::kDesk : Scope::kCampaigns;
    Twin(route, [&](Route& twin) { twin.scope = other; });
    EXPECT_FALSE(Faults(row).empty()) << row.route << " with another scope";
    const bool within_reach = *route.scope == Scope::kEvents || *route.scope == Scope::kRecommend;
    if (route.browsers == Browsers::kRefused && within_reach) {
      Twin(route, [](Route& twin) { twin.browsers = Browsers::kAllowed; });
      EXPECT_FALSE(Faults(row).empty()) << row.route << " open to browsers";
    }
    if (route.browsers != Browsers::kAllowed) continue;
    std::vector<std::unique_ptr<Request>> kept;  // requests live until they are answered
    Twin(route, [&](Route& twin) {
      twin.handler = [&kept, handler = route.handler](const Request& request, Responder respond) {
        kept.push_back(std::make_unique<Request>(request));
        kept.back()->identity.kind = KeyKind::kServer;
        handler(*kept.back(), std::move(respond));
      };
    });
    EXPECT_FALSE(Faults(row).empty()) << row.route << " for anybody";
  }
}

}  // namespace
}  // namespace rapport
