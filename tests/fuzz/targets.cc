// See targets.h.
#include "tests/fuzz/targets.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/crypto.h"
#include "base/temp_folder.h"
#include "data/io/csv.h"
#include "data/io/mapping.h"
#include "data/io/row_mapper.h"
#include "engine/content/carried_question.h"
#include "engine/content/filter.h"
#include "engine/content/impression.h"
#include "models/content_model.h"
#include "server/endpoints/endpoints.h"
#include "server/gatekeeper.h"
#include "server/http_guard.h"
#include "server/training_jobs.h"
#include "tests/server/waiting_responder.h"

namespace rapport::fuzz {
namespace {

void Promise(bool kept, const char* what) {
  if (kept) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

// A server without a socket, on a store of its own. One owner, one thread.
class Shop {
 public:
  Shop() {
    StoreOptions options;
    options.durability = Durability::kNoSync;  // nothing here is to last
    store_ = Store::Open(folder_.path() + "/store", options).Take();
    engine_ = Engine::Open(*store_, {}).Take();
    keys_ = std::make_unique<StoreKeySource>(*store_);
    authenticator_ = std::make_unique<Authenticator>(*keys_, store_->DeriveKey("visitor"));
    training_ = std::make_unique<TrainingJobs>(*engine_, clock_, log_);
    const EndpointContext context{*engine_, *authenticator_, metrics_, log_, clock_, *training_};
    AddEndpoints(table_, context);
    AddAdminRoutes(table_, context);
    AddModelRoutes(table_, context);
    gate_ = std::make_unique<Gatekeeper>(table_, *authenticator_, std::vector<std::string>{});
    const NewKey key = MakeKey("fuzz", KeyKind::kServer, 0xff, clock_.Now()).Take();
    key_ = "Bearer " + key.text;
    Promise(store_->ApplyAndWait({PutApiKey{key.record}}).ok(), "a key is kept");
    Ask("PUT", "/v1/items", R"([{"itemId":"tea","title":"Tea","price":"3","categories":["tea"]},{"itemId":"pot"}])");
    Ask("POST", "/v1/track", R"({"userId":"ada","event":"Product Viewed","properties":{"sku":"tea"}})");
  }

  Response Ask(const std::string& method, const std::string& target, std::string body) {
    Request request;
    request.received_at = clock_.Now();
    request.headers.emplace_back("authorization", key_);
    const Admission admission = gate_->Admit(method, target, request);
    if (admission.refusal) return *admission.refusal;
    // Minutes of work, copies of the store, and bytes that only our own command line sends.
    const std::string& route = admission.route->pattern;
    if (route == "/v1/models/train" || route.starts_with("/v1/admin/")) return JsonResponse(200, "{}");
    request.body = std::move(body);
    if (const auto refusal = gate_->AdmitBody(*admission.route, request)) return *refusal;
    const auto client = std::make_shared<WaitingResponder>();
    admission.route->handler(request, Responder(client));
    return client->Wait();
  }

 private:
  TempFolder folder_;
  ManualClock clock_{Timestamp{1772366400000}};
  Log log_{nullptr, clock_};
  Metrics metrics_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<StoreKeySource> keys_;
  std::unique_ptr<Authenticator> authenticator_;
  std::unique_ptr<TrainingJobs> training_;
  RouteTable table_;
  std::unique_ptr<Gatekeeper> gate_;
  std::string key_;
};

Item OneItem() {
  Item item;
  item.id = ItemId{1};
  item.external_id = "tea";
  item.title = "Tea";
  item.categories = {"tea"};
  item.price = ParseDecimal("3.50").Take();
  item.attributes["color"] = std::string("red");
  item.catalogued = true;
  return item;
}

// As GuardRefusal's verdicts, whatever the pieces that the bytes arrive in.
HeadGuard::Verdict HeadVerdict(std::string_view bytes, size_t piece, size_t* head_bytes) {
  HeadGuard guard{GuardOptions{}};
  HeadGuard::Verdict verdict = HeadGuard::Verdict::kMore;
  for (size_t end = std::min(piece, bytes.size()); verdict == HeadGuard::Verdict::kMore;
       end = std::min(end + piece, bytes.size())) {
    verdict = guard.Look(bytes.substr(0, end));
    if (end == bytes.size()) break;
  }
  *head_bytes = verdict == HeadGuard::Verdict::kWhole ? guard.head_bytes() : 0;
  return verdict;
}

ChunkReader::Verdict ChunkVerdict(std::string_view bytes, size_t piece, std::string* body) {
  ChunkReader reader(1 << 20);
  ChunkReader::Verdict verdict = ChunkReader::Verdict::kMore;
  std::string waiting;
  for (size_t at = 0; at < bytes.size() && verdict == ChunkReader::Verdict::kMore; at += piece) {
    waiting += bytes.substr(at, piece);
    size_t taken = 0;
    verdict = reader.Take(waiting, body, &taken);
    Promise(taken <= waiting.size(), "no more is taken than there is");
    waiting.erase(0, taken);
  }
  return verdict;
}

}  // namespace

// A head that goes to no parser in the server (HeadGuard::is_lean), held to what Beast's makes of it.
void LeanHead(std::string_view bytes) {
  HeadGuard guard{GuardOptions{}};
  if (guard.Look(bytes) != HeadGuard::Verdict::kWhole || !guard.is_lean()) return;
  boost::beast::http::request_parser<boost::beast::http::empty_body> parser;
  parser.header_limit(1 << 20);
  parser.body_limit(boost::none);
  boost::beast::error_code error;
  const size_t taken = parser.put(boost::asio::buffer(bytes.data(), guard.head_bytes()), error);
  Promise(!error && taken == guard.head_bytes() && parser.is_header_done(), "the parser takes a lean head");
  const auto& head = parser.get();
  Promise(guard.method(bytes) == std::string_view(head.method_string()), "and reads the same method");
  Promise(guard.target(bytes) == std::string_view(head.target()), "the same target");
  Promise(head.version() == 11 && guard.keep_alive() == head.keep_alive(), "the same of the connection");
  Promise(!parser.chunked() && guard.length() == parser.content_length().value_or(0), "the same length");
  size_t fields = 0;
  for (const auto& field : head) {
    fields += 1;
    const bool known = std::any_of(guard.fields().begin(), guard.fields().end(), [&](const HeadGuard::Field& ours) {
      return ours.name.Of(bytes) == std::string_view(field.name_string()) &&
             ours.value.Of(bytes) == std::string_view(field.value());
    });
    Promise(known, "the same fields");
  }
  Promise(fields == guard.fields().size(), "and as many");
}

void HttpHead(std::string_view bytes) {
  LeanHead(bytes);
  size_t whole_bytes = 0, pieces_bytes = 0;
  const HeadGuard::Verdict whole = HeadVerdict(bytes, bytes.size() + 1, &whole_bytes);
  const HeadGuard::Verdict pieces = HeadVerdict(bytes, 1, &pieces_bytes);
  Promise(whole == pieces && whole_bytes == pieces_bytes, "a head in pieces is the head at once");
  if (whole != HeadGuard::Verdict::kWhole) return;
  const std::string_view head = bytes.substr(0, whole_bytes);
  Promise(head.ends_with("\r\n\r\n"), "a head ends with an empty line");
  const size_t target_at = head.find(' ') + 1;
  const std::string_view target = head.substr(target_at, head.find(' ', target_at) - target_at);
  (void)SplitPath(target.substr(0, target.find('?')));
  std::string at_once, in_pieces;
  const std::string_view rest = bytes.substr(whole_bytes);
  const ChunkReader::Verdict once = ChunkVerdict(rest, rest.size() + 1, &at_once);
  Promise(once == ChunkVerdict(rest, 1, &in_pieces), "a body in pieces is the body at once");
  Promise(once != ChunkReader::Verdict::kWhole || at_once == in_pieces, "and its bytes are the same");
}

void JsonBody(std::string_view bytes) {
  constexpr int kCallsPerShop = 20000;
  // Made at once: what RocksDB makes on the way must outlive it.
  static std::unique_ptr<Shop> shop = std::make_unique<Shop>();
  static int calls = 0;
  if (++calls % kCallsPerShop == 0) {
    shop.reset();
    shop = std::make_unique<Shop>();
  }
  const size_t line = std::min(bytes.find('\n'), bytes.size());
  const size_t space = std::min(bytes.find(' '), line);
  const std::string target(bytes.substr(std::min(space + 1, line), line - std::min(space + 1, line)));
  const Response answer = shop->Ask(std::string(bytes.substr(0, space)), target,
                                    std::string(bytes.substr(std::min(line + 1, bytes.size()))));
  Promise(answer.status < 500 || answer.status == 503, "a request is never a fault of the server");
  if (answer.content_type.find("json") == std::string::npos) return;
  Promise(nlohmann::json::accept(answer.body), "an answer that says it is JSON is JSON");
}

void FilterText(std::string_view bytes) {
  const Result<Filter> filter = Filter::Parse(bytes);
  if (!filter.ok()) return Promise(!filter.status().message().empty(), "a refusal says why");
  const Result<Filter> again = Filter::Parse(bytes);
  Promise(again.ok(), "what parses once parses twice");
  static const Item item = OneItem();
  Promise(filter->Matches(item, nullptr) == again->Matches(item, nullptr), "and means the same");
}

void CsvAndMapping(std::string_view bytes) {
  const size_t zero = std::min(bytes.find('\0'), bytes.size());
  Result<Mapping> mapping = ParseMapping(bytes.substr(0, zero), DefaultEventTable());
  MemorySource source(std::string(bytes.substr(std::min(zero + 1, bytes.size()))), 7);
  CsvReader reader(source);
  CsvRecord record;
  std::optional<RowMapper> rows;
  for (Result<bool> more = reader.Next(&record); more.ok() && *more; more = reader.Next(&record)) {
    if (!record.status.ok() || !mapping.ok()) continue;
    if (!rows) {
      Result<RowMapper> made = RowMapper::Create(*mapping, record.fields);
      if (!made.ok()) return;
      rows.emplace(made.Take());
      continue;
    }
    if (!rows->Load(record).ok()) continue;
    (void)rows->Identity();
    (void)rows->Event();
    if (rows->DescribesItem()) (void)rows->ReadItem();
    if (rows->DescribesCustomer()) (void)rows->Profile();
  }
}

void ModelFile(std::string_view bytes) {
  (void)ParseContentModel(bytes, "fuzz");
  constexpr size_t kDigestBytes = 32;
  if (bytes.size() < kDigestBytes) return;
  std::string summed(bytes.substr(0, bytes.size() - kDigestBytes));
  const Digest256 digest = Sha256(summed);
  summed.append(reinterpret_cast<const char*>(digest.data()), digest.size());
  const Result<ContentModel> model = ParseContentModel(summed, "fuzz");
  if (!model.ok()) return;
  Promise(CheckContentModel(*model).ok(), "a model that was read is sound");
  Promise(ParseContentModel(SerializeContentModel(*model), "again").ok(), "and is read again when written");
}

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

std::span<const Target> Targets() {
  static constexpr Target kTargets[] = {{"http_head", HttpHead},   {"json_body", JsonBody},
                                        {"filter", FilterText},    {"csv_mapping", CsvAndMapping},
                                        {"model_file", ModelFile}, {"tokens", Tokens}};
  return kTargets;
}

}  // namespace rapport::fuzz
