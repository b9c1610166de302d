// Paths, the table, and who gets through: every route is walked with every kind of key.
#include "server/gatekeeper.h"
#include "tests/server/http_fixture.h"

namespace rapport {
namespace {

void Nothing(const Request&, Responder respond) { respond(JsonResponse(200, "{}")); }

TEST(PathTest, DecodesSegments) {
  using Segments = std::vector<std::string>;
  EXPECT_EQ(*SplitPath("/"), Segments{});
  EXPECT_EQ(*SplitPath("/v1/items/a%2Fb"), (Segments{"v1", "items", "a/b"}));
  EXPECT_EQ(*SplitPath("/%F0%9F%98%80/%00x/+"), (Segments{"\xF0\x9F\x98\x80", std::string("\0x", 2), "+"}));
  EXPECT_EQ(*SplitPath("/a/"), Segments{"a"});
  EXPECT_EQ(*SplitPath("/..%2f../%2e%2e"), (Segments{"../..", ".."}));  // text, never a file's path
  EXPECT_EQ(SplitPath("/" + std::string(256, 'x'))->at(0).size(), 256u);
  for (const std::string& bad :
       {std::string("x"), std::string(), std::string("//"), std::string("/a//b"), std::string("/%"), std::string("/%4"),
        std::string("/%g1"), "/" + std::string(257, 'x')}) {
    EXPECT_FALSE(SplitPath(bad).ok()) << bad;
  }
}

TEST(PathTest, DecodesQueries) {
  using Query = std::map<std::string, std::string>;
  EXPECT_EQ(*ParseQuery(""), Query{});
  EXPECT_EQ(*ParseQuery("a=1&b=%26+c&d&e="), (Query{{"a", "1"}, {"b", "& c"}, {"d", ""}, {"e", ""}}));
  EXPECT_FALSE(ParseQuery("a=1&a=2").ok());
  EXPECT_FALSE(ParseQuery("a=%x").ok());
}

TEST(RouteTableTest, LiteralsWinOverParameters) {
  RouteTable table;
  table.Add({Method::kGet, "/v1/items/{id}", std::nullopt, Nothing});
  table.Add({Method::kGet, "/v1/items/all", std::nullopt, Nothing});
  table.Add({Method::kGet, "/v1/{kind}/all", std::nullopt, Nothing});
  table.Add({Method::kDelete, "/v1/items/{id}", std::nullopt, Nothing});
  ASSERT_TRUE(table.Check().ok());
  EXPECT_EQ(table.Match(Method::kGet, {"v1", "items", "all"}).route->pattern, "/v1/items/all");
  EXPECT_EQ(table.Match(Method::kGet, {"v1", "faq", "all"}).route->pattern, "/v1/{kind}/all");
  const RouteMatch item = table.Match(Method::kGet, {"v1", "items", "a/b"});
  EXPECT_EQ(item.parameters.at("id"), "a/b");
  const RouteMatch wrong_method = table.Match(Method::kPost, {"v1", "items", "7"});
  EXPECT_EQ(wrong_method.route, nullptr);
  EXPECT_EQ(wrong_method.allowed, (std::vector<Method>{Method::kGet, Method::kDelete}));
  EXPECT_TRUE(table.Match(Method::kGet, {"v1"}).allowed.empty());
}

TEST(RouteTableTest, RefusesWhatCannotBeTold) {
  const auto check = [](std::initializer_list<Route> routes) {
    RouteTable table;
    for (const Route& route : routes) table.Add(route);
    return table.Check().ok();
  };
  EXPECT_FALSE(
      check({{Method::kGet, "/a/{x}", std::nullopt, Nothing}, {Method::kGet, "/a/{y}", std::nullopt, Nothing}}));
  EXPECT_TRUE(
      check({{Method::kGet, "/a/{x}", std::nullopt, Nothing}, {Method::kPut, "/a/{y}", std::nullopt, Nothing}}));
  EXPECT_FALSE(check({{Method::kGet, "a", std::nullopt, Nothing}}));
  EXPECT_FALSE(check({{Method::kGet, "/a//b", std::nullopt, Nothing}}));
  EXPECT_FALSE(check({{Method::kGet, "/a/{x", std::nullopt, Nothing}}));
  EXPECT_FALSE(check({{Method::kGet, "/a", std::nullopt, nullptr}}));
}

// ---- who gets through -------------------------------------------------------------------------------------------

class GateTest : public ::testing::Test {
 protected:
  GateTest() {
    for (size_t scope = 0; scope < kScopeCount; ++scope) {
      table_.Add({Method::kPost, "/scoped/" + std::to_string(scope), static_cast<Scope>(scope), Nothing});
    }
    table_.Add({Method::kGet, "/public", std::nullopt, Nothing});
    table_.Add({Method::kPost, "/page", Scope::kEvents, Nothing, Browsers::kAllowed});
  }
  int Ask(const std::string& method, const std::string& target, const std::string& key, const std::string& origin = "",
          Admission* out = nullptr) {
    Request request;
    request.received_at = Timestamp{1};
    if (!key.empty()) request.headers.emplace_back("x-api-key", key);
    if (!origin.empty()) request.headers.emplace_back("origin", origin);
    if (method == "OPTIONS") request.headers.emplace_back("access-control-request-method", "POST");
    Admission admission = gate_.Admit(method, target, request);
    const int status = admission.refusal ? admission.refusal->status : 200;
    if (out) *out = std::move(admission);
    return status;
  }
  RouteTable table_;
  FakeKeys keys_;
  Authenticator authenticator_{keys_, SecretKey{}};
  Gatekeeper gate_{table_, authenticator_, {"https://shop.example"}};
};

TEST_F(GateTest, EveryScopeOpensItsOwnRoutesOnly) {
  for (size_t held = 0; held < kScopeCount; ++held) {
    const std::string key = keys_.Add(KeyKind::kServer, {static_cast<Scope>(held)});
    for (size_t asked = 0; asked < kScopeCount; ++asked) {
      EXPECT_EQ(Ask("POST", "/scoped/" + std::to_string(asked), key), held == asked ? 200 : 403);
    }
  }
}

TEST_F(GateTest, NothingWithoutAKeyButWhatIsPublic) {
  for (const Route& route : table_.routes()) {
    EXPECT_EQ(Ask(MethodName(route.method), route.pattern, ""), route.scope ? 401 : 200) << route.pattern;
    EXPECT_EQ(Ask(MethodName(route.method), route.pattern, "rk_000000000000_wrong"), route.scope ? 401 : 200);
  }
}

TEST_F(GateTest, BrowserKeysReachOnlyWhatSaysSo) {
  const std::string key = keys_.Add(KeyKind::kBrowser, {Scope::kEvents, Scope::kRecommend});
  EXPECT_EQ(Ask("POST", "/page", key), 200);
  EXPECT_EQ(Ask("POST", "/page", key, "https://shop.example"), 200);
  EXPECT_EQ(Ask("POST", "/page", key, "https://elsewhere.example"), 403);
  EXPECT_EQ(Ask("POST", "/scoped/0", key), 403);  // has the scope, but not this route
}

// Segment's Node client puts its key into the body: the same checks, later.
TEST_F(GateTest, KeysInBodiesPassTheSameChecks) {
  Route route{Method::kPost, "/body", Scope::kEvents, Nothing, Browsers::kAllowed};
  route.key_place = KeyPlace::kHeadersOrBody;
  table_.Add(route);
  const auto ask = [&](const std::string& target, const std::string& body, const std::string& origin = "") {
    Request request;
    request.received_at = Timestamp{1};
    if (!origin.empty()) request.headers.emplace_back("origin", origin);
    const Admission admission = gate_.Admit("POST", target, request);
    if (admission.refusal) return admission.refusal->status;
    request.body = body;
    const std::optional<Response> refusal = gate_.AdmitBody(*admission.route, request);
    return refusal ? refusal->status : request.identity.key_id.empty() ? 0 : 200;
  };
  const std::string events = keys_.Add(KeyKind::kServer, {Scope::kEvents});
  const std::string catalog = keys_.Add(KeyKind::kServer, {Scope::kCatalog});
  const std::string browser = keys_.Add(KeyKind::kBrowser, {Scope::kEvents});
  EXPECT_EQ(ask("/body", R"({"batch":[{"a":1}],"writeKey":")" + events + "\"}"), 200);
  EXPECT_EQ(ask("/body", R"({"writeKey":")" + catalog + "\"}"), 403);
  EXPECT_EQ(ask("/body", R"({"writeKey":")" + browser + "\"}", "https://shop.example"), 200);
  EXPECT_EQ(ask("/body", R"({"writeKey":")" + browser + "\"}", "https://elsewhere.example"), 403);
  EXPECT_EQ(ask("/scoped/0", R"({"writeKey":")" + events + "\"}"), 401);  // this route takes none from bodies
  for (const std::string& body :
       {std::string(), std::string("{"), std::string("[]"), std::string("7"), R"([{"writeKey":")" + events + "\"}]",
        R"({"a":{"writeKey":")" + events + "\"}}", R"({"writeKey":{"writeKey":")" + events + "\"}}",
        std::string(R"({"writeKey":7})"), std::string(100000, '['), R"({"a":)" + std::string(100000, '[')}) {
    EXPECT_EQ(ask("/body", body), 401) << body.substr(0, 100);
  }
}

// Whatever Admit let through, nobody reaches a scoped handler without an identity.
TEST_F(GateTest, TheLastWordIsDeny) {
  for (const Route& route : table_.routes()) {
    Request request;
    EXPECT_EQ(gate_.AdmitBody(route, request).has_value(), route.scope.has_value()) << route.pattern;
  }
}

TEST_F(GateTest, BrowsersAreToldWhichOriginsMayAsk) {
  const auto allowed_origin = [](const Admission& admission) {
    for (const auto& [name, value] : admission.headers) {
      if (name == "Access-Control-Allow-Origin") return value;
    }
    return std::string();
  };
  Admission admission;
  EXPECT_EQ(Ask("OPTIONS", "/page", "", "https://shop.example", &admission), 204);
  EXPECT_EQ(allowed_origin(admission), "https://shop.example");
  EXPECT_EQ(Ask("OPTIONS", "/page", "", "https://elsewhere.example", &admission), 204);
  EXPECT_EQ(allowed_origin(admission), "");
  EXPECT_EQ(Ask("OPTIONS", "/scoped/0", "", "https://shop.example", &admission), 204);
  EXPECT_EQ(allowed_origin(admission), "");
  EXPECT_EQ(Ask("POST", "/page", "", "https://shop.example", &admission), 401);
  EXPECT_EQ(allowed_origin(admission), "https://shop.example");  // so that the page can read why
}

TEST_F(GateTest, AbsoluteTargetsAreRead) {
  EXPECT_EQ(Ask("GET", "http://shop:8080/public?x=1", ""), 200);
  EXPECT_EQ(Ask("GET", "https://shop", ""), 404);
  EXPECT_EQ(Ask("GET", "*", ""), 400);
}

TEST(ProblemTest, EveryCodeHasAStatusAndComesBack) {
  for (int i = 1; i <= static_cast<int>(StatusCode::kInternal); ++i) {
    const auto code = static_cast<StatusCode>(i);
    EXPECT_GE(HttpStatusOf(code), 400) << i;
    EXPECT_NE(std::string(ReasonPhrase(HttpStatusOf(code))), "") << i;
    EXPECT_EQ(CodeOfProblem(ProblemType(code), 0), code);
  }
}

TEST(ProblemTest, ListsBadEntriesByIndex) {
  const Response response =
      ProblemResponse(Status::InvalidArgument("2 of 3 are wrong"),
                      {{1, Status::NotFound("no such item")}, {2, Status::InvalidArgument("\xff\"")}});
  EXPECT_EQ(response.status, 400);
  EXPECT_NE(response.body.find(R"("errors":[{"index":1,"type":"/problems/not-found","detail":"no such item"})"),
            std::string::npos);
  EXPECT_NE(response.body.find("\xEF\xBF\xBD\\\""), std::string::npos);  // not UTF-8: replaced, never passed on
}

}  // namespace
}  // namespace rapport
