#include "server/config.h"

#include "base/file.h"
#include "base/machine.h"
#include "server/endpoints/json_body.h"

namespace rapport {

namespace {

constexpr uint64_t kConfigBytesMax = 4u << 20;
constexpr size_t kOriginsMax = 100;
constexpr size_t kScenariosMax = 100;
constexpr size_t kExplorationSlotsMax = 16, kExplorationCandidatesMax = 64;
constexpr size_t kConnectionsMax = 100000;
constexpr size_t kCountMax = size_t{1} << 40;
constexpr double kWeightMax = 1000;
constexpr double kDaysMax = 36500;
constexpr double kRateMax = 1e6;
constexpr size_t kTimeoutMsMax = 24 * 3600 * 1000;

// Sets `out` when the key is there.
template <typename Out, typename In>
void Set(Out& out, const std::optional<In>& value) {
  if (value) out = static_cast<Out>(*value);
}

TlsFiles ReadTls(const Json& json, JsonFields& server) {
  JsonFields fields(json, "server.tls.");
  TlsFiles files{fields.RequiredText("certificate", limits::kShortTextBytesMax),
                 fields.RequiredText("key", limits::kShortTextBytesMax)};
  server.Fail(fields.Finish());
  return files;
}

void ReadRate(JsonFields& limits, const char* name, RateLimit* rate) {
  const Json* json = limits.Find(name);
  if (json == nullptr) return;
  JsonFields fields(*json, std::string("server.rateLimits.") + name + ".");
  Set(rate->per_second, fields.Number("perSecond", 0, kRateMax));
  Set(rate->burst, fields.Number("burst", 1, kRateMax));
  limits.Fail(fields.Finish());
}

Status ReadServer(const Json& json, Config* config) {
  ServerOptions& server = config->server;
  JsonFields fields(json, "server.");
  if (const auto listen = fields.Text("listen", limits::kShortTextBytesMax)) {
    const Status parsed = ParseListen(*listen, &server);
    if (!parsed.ok()) fields.Fail(Status::InvalidArgument("server.listen: " + parsed.message()));
  }
  Set(server.threads, fields.Count("threads", 0, 1024));
  Set(server.connections_max, fields.Count("connectionsMax", 1, kConnectionsMax));
  Set(server.connections_per_address_max, fields.Count("connectionsPerAddressMax", 1, kConnectionsMax));
  if (fields.Find("trustedAddresses")) {
    server.trusted_addresses = fields.Texts("trustedAddresses", kOriginsMax, limits::kShortTextBytesMax);
  }
  Set(server.requests_in_flight_max, fields.Count("requestsInFlightMax", 1, kConnectionsMax));
  Set(server.queue_wait_ms_max, fields.Count("queueWaitMsMax", 1, kTimeoutMsMax));
  if (const Json* rates = fields.Find("rateLimits")) {
    JsonFields limits(*rates, "server.rateLimits.");
    ReadRate(limits, "perKey", &server.rate_per_key);
    ReadRate(limits, "perAddress", &server.rate_per_address);
    fields.Fail(limits.Finish());
  }
  Set(server.header_bytes_max, fields.Count("headerBytesMax", 1024, 1 << 20));
  Set(server.body_bytes_max, fields.Count("bodyBytesMax", 1024, 1 << 30));
  Set(server.body_bytes_in_flight_max, fields.Count("bodyBytesInFlightMax", 1 << 20, kCountMax));
  Set(server.header_timeout_ms, fields.Count("headerTimeoutMs", 1, kTimeoutMsMax));
  Set(server.body_timeout_ms, fields.Count("bodyTimeoutMs", 1, kTimeoutMsMax));
  Set(server.idle_timeout_ms, fields.Count("idleTimeoutMs", 1, kTimeoutMsMax));
  Set(server.write_timeout_ms, fields.Count("writeTimeoutMs", 1, kTimeoutMsMax));
  Set(config->stop_timeout_ms, fields.Count("stopTimeoutMs", 0, kTimeoutMsMax));
  server.origins = fields.Texts("origins", kOriginsMax, limits::kShortTextBytesMax);
  Set(config->backup_folder, fields.Text("backupFolder", limits::kTitleBytesMax));
  Set(config->backups_kept, fields.Count("backupsKept", 0, 100000));
  if (const Json* tls = fields.Find("tls")) server.tls = ReadTls(*tls, fields);
  Set(config->public_metrics, fields.Flag("publicMetrics"));
  return fields.Finish();
}

Status ReadStore(const Json& json, StoreOptions* store) {
  JsonFields fields(json, "store.");
  Set(store->block_cache_bytes, fields.Count("blockCacheBytes", 1 << 20, kCountMax));
  Set(store->write_buffer_bytes, fields.Count("writeBufferBytes", 1 << 20, kCountMax));
  Set(store->queued_operations_max, fields.Count("queuedOperationsMax", 1, size_t{1} << 24));
  Set(store->group_operations_max, fields.Count("groupOperationsMax", 1, size_t{1} << 24));
  return fields.Finish();
}

Status ReadWeights(const Json& json, EventWeights* weights) {
  JsonFields fields(json, "events.");
  Set(weights->history_half_life_days, fields.Number("halfLifeDays", 0.01, kDaysMax));
  Set(weights->rated_neutral, fields.Number("ratedNeutral", -kWeightMax, kWeightMax));
  if (const Json* by_type = fields.Find("weights")) {
    JsonFields types(*by_type, "events.weights.");
    for (size_t type = 0; type < kEventTypeCount; ++type) {
      const auto event_type = static_cast<EventType>(type);
      if (event_type == EventType::kCustom) continue;  // by name, below
      Set(weights->by_type[type], types.Number(EventTypeName(event_type), -kWeightMax, kWeightMax));
    }
    fields.Fail(types.Finish());
  }
  if (const Json* by_name = fields.Find("customWeights")) {
    JsonFields names(*by_name, "events.customWeights.");
    if (by_name->is_object()) {
      for (const auto& entry : by_name->items()) {
        Set(weights->by_name[entry.key()], names.Number(entry.key().c_str(), -kWeightMax, kWeightMax));
      }
    }
    fields.Fail(names.status());
  }
  return fields.Finish();
}

std::optional<CandidateSource> SourceFromName(const std::string& name) {
  if (name == "personal") return CandidateSource::kPersonal;
  if (name == "similar") return CandidateSource::kSimilar;
  if (name == "bought-together") return CandidateSource::kBoughtTogether;
  return std::nullopt;
}

std::optional<RepeatPolicy> RepeatFromName(const std::string& name) {
  if (name == "allow") return RepeatPolicy::kAllow;
  if (name == "exclude-owned") return RepeatPolicy::kExcludeOwned;
  if (name == "exclude-ordered") return RepeatPolicy::kExcludeOrdered;
  if (name == "only-ordered") return RepeatPolicy::kOnlyOrdered;
  return std::nullopt;
}

Exploration ReadExploration(const Json& json, JsonFields& scenario, const std::string& where) {
  JsonFields fields(json, where);
  Exploration exploration;
  const Json* slots = fields.Find("slots");
  const bool is_list = slots != nullptr && slots->is_array() && slots->size() <= kExplorationSlotsMax;
  if (!is_list) fields.FailField("slots", "must be an array of at most 16 positions, like [4, 8]; [] is none");
  for (size_t i = 0; is_list && i < slots->size(); ++i) {
    const Json& slot = (*slots)[i];
    const uint64_t position = slot.is_number_unsigned() ? slot.get<uint64_t>() : 0;
    if (position < 1 || position > limits::kRecommendationCountMax) {
      fields.FailField("slots", "must be positions from 1 to 1000, not " + slot.dump().substr(0, 40));
    }
    exploration.slots.push_back(position);
  }
  Set(exploration.epsilon, fields.Number("epsilon", 0, 1));
  if (!(exploration.epsilon > 0)) fields.FailField("epsilon", "must be above 0: without it probabilities of 0 arise");
  Set(exploration.candidates, fields.Count("candidates", 2, kExplorationCandidatesMax));
  exploration.new_items = fields.Count("newItems", 0, kExplorationCandidatesMax).value_or(exploration.candidates / 4);
  if (exploration.new_items >= exploration.candidates) fields.FailField("newItems", "must be fewer than candidates");
  scenario.Fail(fields.Finish());
  return exploration;
}

Status ReadScenario(const Json& json, const std::string& where, std::vector<Scenario>* scenarios) {
  JsonFields fields(json, where);
  const std::string name = fields.RequiredText("name", limits::kShortTextBytesMax);
  RAPPORT_RETURN_IF_ERROR(fields.status());
  // One that is known by default is changed where the file says so, any other is new.
  auto at =
      std::find_if(scenarios->begin(), scenarios->end(), [&](const Scenario& known) { return known.name == name; });
  if (at == scenarios->end()) at = scenarios->insert(at, Scenario{.name = name});
  Set(at->kind, fields.Text("kind", limits::kShortTextBytesMax));
  Set(at->count, fields.Count("count", 1, limits::kRecommendationCountMax));
  if (const auto source = fields.Text("source", limits::kShortTextBytesMax)) {
    if (!SourceFromName(*source)) fields.FailField("source", "must be personal, similar or bought-together");
    at->source = SourceFromName(*source).value_or(at->source);
  }
  if (const auto repeat = fields.Text("repeat", limits::kShortTextBytesMax)) {
    if (!RepeatFromName(*repeat)) {
      fields.FailField("repeat", "must be allow, exclude-owned, exclude-ordered or only-ordered");
    }
    at->repeat = RepeatFromName(*repeat).value_or(at->repeat);
  }
  Set(at->exclude_viewed, fields.Flag("excludeViewed"));
  Set(at->exclude_seeds, fields.Flag("excludeSeeds"));
  Set(at->filter, fields.Text("filter", limits::kFilterBytesMax));
  Set(at->diversity, fields.Number("diversity", 0, 1));
  if (const Json* exploration = fields.Find("exploration")) {
    at->exploration = ReadExploration(*exploration, fields, where + "exploration.");
  }
  return fields.Finish();
}

Status ReadRecommend(const Json& json, EngineOptions* engine) {
  JsonFields fields(json, "recommend.");
  Set(engine->history_cache_customers, fields.Count("historyCacheCustomers", 1, kCountMax));
  Set(engine->filter_cache_entries, fields.Count("filterCacheEntries", 1, kCountMax));
  Set(engine->filter_cache_bytes, fields.Count("filterCacheBytes", 1 << 16, kCountMax));
  if (const auto life = fields.Number("answerLifeSeconds", 0, 60)) {
    engine->answer_life_ms = static_cast<int64_t>(*life * kSecondMs);
  }
  Set(engine->answer_bytes, fields.Count("answerBytes", 0, kCountMax));
  Set(engine->session_events, fields.Count("sessionEvents", 1, limits::kHistoryEventsMax));
  Set(engine->repeat_weight, fields.Number("repeatWeight", 0, kWeightMax));
  Set(engine->repeat_half_life_days, fields.Number("repeatHalfLifeDays", 0.01, kDaysMax));
  if (fields.Find("staticItems")) engine->static_items = fields.Ids("staticItems", limits::kRecommendationCountMax);
  const std::vector<const Json*> scenarios = fields.Objects("scenarios", kScenariosMax);
  for (size_t i = 0; i < scenarios.size(); ++i) {
    fields.Fail(ReadScenario(*scenarios[i], fields.Place("scenarios", i), &engine->scenarios));
  }
  return fields.Finish();
}

Status ReadTraining(const Json& json, Config* config) {
  TrainingPlan& plan = config->training;
  JsonFields fields(json, "training.");
  Set(plan.every_hours, fields.Number("everyHours", 0.1, kDaysMax));
  if (const auto at = fields.Text("at", limits::kShortTextBytesMax)) {
    const Result<int> minute = ParseMinuteOfDay(*at);
    if (!minute.ok()) fields.FailField("at", minute.status().message());
    if (minute.ok()) plan.at_minute = *minute;
  }
  if (plan.every_hours > 0 && plan.at_minute) fields.FailField("at", "and everyHours exclude each other");
  Set(plan.time_zone, fields.Text("timeZone", limits::kShortTextBytesMax));
  if (const Result<TimeZone> zone = TimeZone::Open(plan.time_zone); !zone.ok()) {
    fields.FailField("timeZone", "must be a zone of the IANA list, like Europe/Zurich");
  }
  Set(plan.events_min, fields.Count("eventsMin", 0, kCountMax));
  Set(plan.activate, fields.Flag("activate"));
  Set(plan.responses, fields.Flag("responses"));
  Set(plan.threads, fields.Count("threads", 0, 1024));
  Set(config->engine.models_kept, fields.Count("keepModels", 0, 100000));
  return fields.Finish();
}

Status ReadRetention(const Json& json, RetentionPlan* plan) {
  JsonFields fields(json, "retention.");
  Set(plan->events_days, fields.Number("eventsDays", 0.01, kDaysMax));
  Set(plan->decisions_days, fields.Number("decisionsDays", 0.01, kDaysMax));
  return fields.Finish();
}

// Before the sections, which may say single sizes otherwise.
void UseMemory(uint64_t bytes, Config* config) {
  config->memory = PlanMemory(bytes);
  config->store.block_cache_bytes = config->memory.block_cache_bytes;
  config->store.write_buffer_bytes = config->memory.write_buffer_bytes;
  config->engine.history_cache_customers = config->memory.history_cache_customers;
  config->engine.filter_cache_bytes = config->memory.filter_cache_bytes;
}

}  // namespace

Result<Config> ParseConfig(std::string_view text, uint64_t machine_bytes) {
  Result<Json> json = ParseJsonBody(text);
  if (!json.ok()) return Status::InvalidArgument("as a whole: " + json.status().message());
  Config config;
  JsonFields fields(*json, "");
  UseMemory(fields.Count("memoryBytes", 64u << 20, kCountMax).value_or(machine_bytes / 2), &config);
  if (const Json* retention = fields.Find("retention")) fields.Fail(ReadRetention(*retention, &config.retention));
  if (const Json* server = fields.Find("server")) fields.Fail(ReadServer(*server, &config));
  if (const Json* store = fields.Find("store")) fields.Fail(ReadStore(*store, &config.store));
  if (const Json* events = fields.Find("events")) fields.Fail(ReadWeights(*events, &config.engine.weights));
  if (const Json* training = fields.Find("training")) fields.Fail(ReadTraining(*training, &config));
  if (const Json* recommend = fields.Find("recommend")) fields.Fail(ReadRecommend(*recommend, &config.engine));
  RAPPORT_RETURN_IF_ERROR(fields.Finish());
  return config;
}

Result<Config> ReadConfig(const std::string& path) {
  if (path.empty()) return ParseConfig("{}", MachineMemoryBytes());
  const Result<std::string> text = ReadFile(path, kConfigBytesMax);
  if (!text.ok()) return Status(text.status().code(), "configuration " + path + ": " + text.status().message());
  Result<Config> config = ParseConfig(*text, MachineMemoryBytes());
  if (!config.ok()) return Status(config.status().code(), "configuration " + path + ": " + config.status().message());
  return config;
}

Status ParseListen(const std::string& text, ServerOptions* options) {
  const Status wrong = Status::InvalidArgument("'" + text +
                                               "' is no address to listen on: write ADDRESS:PORT, like 127.0.0.1:8080, "
                                               "0.0.0.0:8080 or [::1]:8080");
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) return wrong;
  const std::optional<int64_t> port = ParseInt64(text.substr(colon + 1));
  if (!port || *port < 0 || *port > 65535) return wrong;
  std::string address = text.substr(0, colon);
  if (address.size() > 2 && address.front() == '[' && address.back() == ']')
    address = address.substr(1, address.size() - 2);
  if (address == "localhost") address = "127.0.0.1";
  if (address.empty() || address.find_first_not_of("0123456789abcdefABCDEF.:") != std::string::npos) return wrong;
  options->address = address;
  options->port = static_cast<uint16_t>(*port);
  return Status::Ok();
}

}  // namespace rapport
