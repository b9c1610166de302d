// The whole service on a real store: who gets through on every route there is, keys that end, a second process,
// commands beside a server.
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/temp_folder.h"
#include "server/commands/store_access.h"
#include "server/service.h"
#include "tests/server/http_fixture.h"

namespace rapport {
namespace {

class ServiceTest : public ::testing::Test {
 protected:
  ServiceTest() {
    config_.server.port = 0;
    config_.server.threads = 2;
  }
  void Start() {
    Result<std::unique_ptr<Service>> started = Service::Start(folder(), config_, log_, clock_);
    ASSERT_TRUE(started.ok()) << started.status().ToString();
    service_ = started.Take();
    const Result<std::string> key = ReadFile(OperatorKeyFile(folder()), 4096);
    ASSERT_TRUE(key.ok());
    key_ = key->substr(0, key->find('\n'));
  }
  std::string folder() const { return temp_.path() + "/store"; }
  HttpClient Client(const std::string& key) { return HttpClient({.port = service_->port(), .key = key}); }
  int Ask(const std::string& key, Method method, const std::string& target, const std::string& body = "") {
    const Result<Response> response = Client(key).Send(method, target, "application/json", body);
    EXPECT_TRUE(response.ok()) << response.status().ToString();
    return response.ok() ? response->status : 0;
  }
  std::string NewKeyWith(const std::string& scopes, bool browser = false) {
    const Result<Response> made =
        Client(key_).Call(Method::kPost, "/v1/admin/keys", "application/json",
                          R"({"scopes":[)" + scopes + R"(],"browser":)" + (browser ? "true}" : "false}"));
    EXPECT_TRUE(made.ok()) << made.status().ToString();
    return made.ok() ? nlohmann::json::parse(made->body)["key"].get<std::string>() : "";
  }

  TempFolder temp_;
  Config config_;
  SystemClock clock_;
  Log log_{nullptr, clock_};
  std::unique_ptr<Service> service_;
  std::string key_;
};

// "/v1/items/{id}" -> "/v1/items/x"
std::string Filled(const std::string& pattern) {
  std::string out;
  bool inside = false;
  for (const char c : pattern) {
    if (c == '{') out += 'x';
    inside = c == '{' || (inside && c != '}');
    if (!inside && c != '}') out += c;
  }
  return out;
}

TEST_F(ServiceTest, EveryRouteIsClosedUnlessItIsMeantToBeOpen) {
  Start();
  const std::set<std::string> open = {"/healthz", "/readyz", "/metrics", "/openapi.json"};
  std::map<Scope, std::string> lacking;  // a key with every scope but this one
  for (size_t left_out = 0; left_out < kScopeCount; ++left_out) {
    std::string scopes;
    for (size_t scope = 0; scope < kScopeCount; ++scope) {
      if (scope == left_out) continue;
      scopes += std::string(scopes.empty() ? "\"" : ",\"") + ScopeName(static_cast<Scope>(scope)) + "\"";
    }
    lacking[static_cast<Scope>(left_out)] = NewKeyWith(scopes);
  }
  const std::string browser = NewKeyWith(R"("events","recommend")", true);
  EXPECT_GT(service_->routes().routes().size(), 20u);
  for (const Route& route : service_->routes().routes()) {
    const std::string target = Filled(route.pattern);
    if (!route.scope) {
      EXPECT_TRUE(open.contains(route.pattern)) << route.pattern << " is public";
      EXPECT_EQ(Ask("", route.method, target), 200) << route.pattern;
      continue;
    }
    EXPECT_EQ(Ask("", route.method, target), 401) << route.pattern;
    EXPECT_EQ(Ask("rk_000000000000_wrong", route.method, target), 401) << route.pattern;
    EXPECT_EQ(Ask(lacking[*route.scope], route.method, target), 403) << route.pattern;
    if (route.browsers == Browsers::kRefused) {
      EXPECT_EQ(Ask(browser, route.method, target), 403) << route.pattern;
    }
  }
  EXPECT_EQ(Ask("", Method::kGet, "/v1/nothing"), 404);
}

TEST_F(ServiceTest, EveryRouteIsDescribed) {
  Start();
  const Result<Response> answer = Client("").Call(Method::kGet, "/openapi.json");
  ASSERT_TRUE(answer.ok());
  const auto document = nlohmann::json::parse(answer->body);
  for (const Route& route : service_->routes().routes()) {
    std::string method = MethodName(route.method);
    for (char& c : method) c = static_cast<char>(c + 32);
    ASSERT_TRUE(document["paths"].contains(route.pattern)) << route.pattern;
    EXPECT_TRUE(document["paths"][route.pattern].contains(method)) << method << " " << route.pattern;
  }
}

TEST_F(ServiceTest, TheOperatorKeyIsPrivateAndStays) {
  Start();
  struct stat file;
  ASSERT_EQ(::stat(OperatorKeyFile(folder()).c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777u, 0600u);
  const std::string first = key_;
  EXPECT_EQ(Ask(first, Method::kGet, "/v1/admin/keys"), 200);
  service_.reset();
  EXPECT_FALSE(ReadFile(ServerFile(folder()), 4096).ok());  // says that nobody serves
  Start();
  EXPECT_EQ(key_, first);
  service_.reset();
  ASSERT_TRUE(WriteFileAtomically(OperatorKeyFile(folder()), "rk_000000000000_spoilt\n", FileMode::kSecret).ok());
  Start();
  EXPECT_NE(key_, first);
  EXPECT_EQ(Ask(key_, Method::kGet, "/v1/admin/keys"), 200);
}

TEST_F(ServiceTest, ARevokedKeyIsRefusedFromThenOn) {
  Start();
  const std::string by_route = NewKeyWith("\"catalog\""), by_sink = NewKeyWith("\"catalog\"");
  EXPECT_EQ(Ask(by_route, Method::kGet, "/v1/items"), 200);
  EXPECT_EQ(Ask(by_sink, Method::kGet, "/v1/items"), 200);
  EXPECT_EQ(Ask(key_, Method::kDelete, "/v1/admin/keys/" + IdOf(by_route)), 204);
  EXPECT_EQ(Ask(by_route, Method::kGet, "/v1/items"), 401);
  EXPECT_EQ(Ask(key_, Method::kDelete, "/v1/admin/keys/000000000000"), 404);

  auto reading = StoreSession::Open(folder(), StorePurpose::kRead, ReadingStoreOptions());
  ASSERT_TRUE(reading.ok()) << reading.status().ToString();
  Result<ApiKey> record = (*reading)->store().GetApiKey(IdOf(by_sink));
  ASSERT_TRUE(record.ok());
  record->revoked = true;
  auto writing = StoreSession::Open(folder(), StorePurpose::kWrite, ReadingStoreOptions());
  ASSERT_TRUE(writing.ok()) << writing.status().ToString();
  const auto results = (*writing)->sink().ApplyAndWait({PutApiKey{*record}});
  ASSERT_TRUE(results.ok() && (*results)[0].status.ok());
  EXPECT_EQ(Ask(by_sink, Method::kGet, "/v1/items"), 401);
}

TEST_F(ServiceTest, ASecondServerOnTheStoreIsToldWhoHoldsIt) {
  Start();
  const Result<std::unique_ptr<Service>> second = Service::Start(folder(), config_, log_, clock_);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), StatusCode::kUnavailable);
  EXPECT_NE(second.status().message().find("rapport serve, process"), std::string::npos) << second.status().message();
  EXPECT_NE(second.status().message().find("port " + std::to_string(service_->port())), std::string::npos);
  EXPECT_EQ(Ask("", Method::kGet, "/healthz"), 200);
}

TEST_F(ServiceTest, CommandsReadAndWriteBesideAServer) {
  Start();
  {
    auto writing = StoreSession::Open(folder(), StorePurpose::kWrite, StoreOptions{});
    ASSERT_TRUE(writing.ok()) << writing.status().ToString();
    EXPECT_EQ((*writing)->local(), nullptr);
    std::vector<Operation> operations;
    for (int i = 0; i < 100; ++i) operations.push_back(PutItem{.item = {.external_id = "item/" + std::to_string(i)}});
    operations.push_back(PatchItem{.external_id = "nobody"});
    const auto results = (*writing)->sink().ApplyAndWait(std::move(operations));
    ASSERT_TRUE(results.ok()) << results.status().ToString();
    ASSERT_EQ(results->size(), 101u);
    EXPECT_EQ(results->front().outcome, Outcome::kCreated);
    EXPECT_EQ(results->back().status.code(), StatusCode::kNotFound);
  }
  EXPECT_EQ(Ask(key_, Method::kGet, "/v1/items/item%2F99"), 200);
  const std::string checkpoints = folder() + "/checkpoints";
  {
    auto reading = StoreSession::Open(folder(), StorePurpose::kRead, ReadingStoreOptions());
    ASSERT_TRUE(reading.ok()) << reading.status().ToString();
    EXPECT_EQ((*reading)->store().catalog()->size(), 100u);
    EXPECT_FALSE(std::filesystem::is_empty(checkpoints));
    // Frozen: what comes later is not seen.
    EXPECT_EQ(Ask(key_, Method::kPut, "/v1/items", R"([{"itemId":"later","kind":"product"}])"), 200);
    EXPECT_EQ((*reading)->store().catalog()->Find("later"), nullptr);
  }
  EXPECT_TRUE(std::filesystem::is_empty(checkpoints));  // given back
  service_.reset();
  auto local = StoreSession::Open(folder(), StorePurpose::kRead, ReadingStoreOptions());
  ASSERT_TRUE(local.ok());
  EXPECT_NE((*local)->local(), nullptr);
  EXPECT_NE((*local)->store().catalog()->Find("later"), nullptr);
}

TEST_F(ServiceTest, CheckpointsAreBoundedAndOnlyLentOnesAreRemoved) {
  Start();
  std::string first;
  for (int i = 0; i < 16; ++i) {
    const Result<Response> lent = Client(key_).Call(Method::kPost, "/v1/admin/checkpoint");
    ASSERT_TRUE(lent.ok()) << lent.status().ToString();
    if (i == 0) first = nlohmann::json::parse(lent->body)["folder"].get<std::string>();
  }
  EXPECT_EQ(Ask(key_, Method::kPost, "/v1/admin/checkpoint"), 503);
  EXPECT_EQ(Ask(key_, Method::kDelete, "/v1/admin/checkpoint?folder=" + first), 204);
  EXPECT_EQ(Ask(key_, Method::kDelete, "/v1/admin/checkpoint?folder=" + first), 404);
  EXPECT_EQ(Ask(key_, Method::kDelete, "/v1/admin/checkpoint?folder=" + folder()), 404);
  EXPECT_EQ(Ask(key_, Method::kDelete, "/v1/admin/checkpoint?folder=" + folder() + "/checkpoints/../../store"), 404);
  EXPECT_EQ(Ask(key_, Method::kPost, "/v1/admin/checkpoint"), 201);
  service_.reset();
  EXPECT_FALSE(std::filesystem::exists(folder() + "/checkpoints"));
}

TEST_F(ServiceTest, WrongBytesToApplyAreRefused) {
  Start();
  for (const std::string& body : {std::string("nonsense"), std::string(100000, '\xff'), std::string(3, '\0')}) {
    EXPECT_EQ(Ask(key_, Method::kPost, "/v1/admin/apply", body), 400);
  }
  const std::string activate = EncodeOperations({ActivateModel{"content", 7}});
  EXPECT_EQ(Ask(key_, Method::kPost, "/v1/admin/apply", activate), 400);  // would swap the record but not the model
}

TEST_F(ServiceTest, ModelsAnswerWithNone) {
  Start();
  const Result<Response> list = Client(key_).Call(Method::kGet, "/v1/models");
  ASSERT_TRUE(list.ok());
  EXPECT_EQ(nlohmann::json::parse(list->body)["inService"], 0);
  EXPECT_EQ(Ask(key_, Method::kPost, "/v1/models/7/activate"), 404);
  EXPECT_EQ(Ask(key_, Method::kPost, "/v1/models/seven/activate"), 400);
  EXPECT_EQ(Ask(key_, Method::kPost, "/v1/models/0/activate"), 200);
  EXPECT_EQ(Ask(key_, Method::kGet, "/v1/models/7/report"), 404);
  EXPECT_EQ(Ask(key_, Method::kGet, "/v1/models/7/file"), 404);
  EXPECT_EQ(Ask(key_, Method::kPost, "/v1/models/train", R"({"rank":0})"), 400);
  EXPECT_EQ(Ask(key_, Method::kPost, "/v1/models/train", R"({"ranks":8})"), 400);
  EXPECT_EQ(Ask(key_, Method::kPost, "/v1/models/train", R"({"solver":"cg"})"), 400);
  EXPECT_EQ(Ask(key_, Method::kPost, "/v1/models/train", R"({"solver":3})"), 400);
  EXPECT_EQ(Ask(key_, Method::kPost, "/v1/models/train", R"({"start":"warm"})"), 400);
  EXPECT_EQ(Ask(key_, Method::kPost, "/v1/models/register", R"({"file":"../../etc/passwd"})"), 400);
  EXPECT_EQ(Ask(key_, Method::kPost, "/v1/models/register", R"({"file":"nobody.model"})"), 404);
}

TEST_F(ServiceTest, TrainingAnswersAtOnceAndSaysHowItEnded) {
  Start();
  EXPECT_EQ(Ask(key_, Method::kPost, "/v1/models/train", R"({"solver":"blocks","start":"spectral"})"), 202);
  std::string state = "running";
  nlohmann::json training;
  while (state == "running") {  // an empty store: it fails in no time, and says why
    const Result<Response> list = Client(key_).Call(Method::kGet, "/v1/models");
    ASSERT_TRUE(list.ok());
    training = nlohmann::json::parse(list->body)["training"];
    state = training["state"];
  }
  EXPECT_EQ(state, "failed");
  EXPECT_FALSE(training["detail"].get<std::string>().empty());
  EXPECT_EQ(training["job"], 1);
}

TEST_F(ServiceTest, ReadinessSaysWhatThereIs) {
  Start();
  const Result<Response> ready = Client("").Call(Method::kGet, "/readyz");
  ASSERT_TRUE(ready.ok()) << ready.status().ToString();
  const auto json = nlohmann::json::parse(ready->body);
  EXPECT_EQ(json["ready"], true);
  EXPECT_EQ(json["model"]["inService"], false);  // said, and no reason to be unready
  const Result<Response> metrics = Client("").Call(Method::kGet, "/metrics");
  ASSERT_TRUE(metrics.ok());
  EXPECT_NE(metrics->body.find("rapport_store_commits_total"), std::string::npos);
  EXPECT_NE(metrics->body.find("# TYPE rapport_request_seconds histogram"), std::string::npos);
}

TEST_F(ServiceTest, MetricsNeedAKeyBeyondTheLoopback) {
  config_.server.address = "0.0.0.0";
  Start();
  EXPECT_EQ(Ask("", Method::kGet, "/metrics"), 401);
  EXPECT_EQ(Ask(key_, Method::kGet, "/metrics"), 200);
  EXPECT_EQ(Ask("", Method::kGet, "/healthz"), 200);
  auto reading = StoreSession::Open(folder(), StorePurpose::kRead, ReadingStoreOptions());  // through the loopback
  EXPECT_TRUE(reading.ok()) << reading.status().ToString();
}

}  // namespace
}  // namespace rapport
