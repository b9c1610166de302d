// `rapport keys create | list | revoke`: who may call the server. A key is shown once, when it is made.
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "server/auth.h"
#include "server/commands/command.h"
#include "server/commands/store_access.h"
#include "server/signing_secrets.h"

namespace rapport {

namespace {

struct KeysOptions {
  std::string folder, name, id, expires, role;
  std::vector<std::string> scopes;
  bool browser = false, json = false, forget_old = false;
  size_t keep = 2;
};

Result<uint8_t> ParseScopes(const std::vector<std::string>& names) {
  uint8_t scopes = 0;
  for (const std::string& name : names) {
    const std::optional<Scope> scope = ScopeFromName(name);
    if (!scope) {
      return Status::InvalidArgument("'" + name +
                                     "' is no scope; there are events, recommend, catalog, customers, campaigns, "
                                     "desk, models and operate");
    }
    scopes |= static_cast<uint8_t>(1u << static_cast<unsigned>(*scope));
  }
  return scopes;
}

std::vector<std::string> ScopeNames(uint8_t scopes) {
  std::vector<std::string> names;
  for (size_t scope = 0; scope < kScopeCount; ++scope) {
    if ((scopes >> scope) & 1) names.push_back(ScopeName(static_cast<Scope>(scope)));
  }
  return names;
}

nlohmann::ordered_json KeyJson(const ApiKey& key) {
  nlohmann::ordered_json json{{"id", key.id},
                              {"name", key.name},
                              {"kind", key.kind == KeyKind::kBrowser ? "browser" : "server"},
                              {"scopes", ScopeNames(key.scopes)},
                              {"createdAt", FormatRfc3339(key.created_at)}};
  if (key.expires_at) json["expiresAt"] = FormatRfc3339(*key.expires_at);
  json["revoked"] = key.revoked;
  return json;
}

void Print(Terminal& terminal, const nlohmann::ordered_json& json) {
  std::fprintf(terminal.out, "%s\n", json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
}

Status ApplyOne(OperationSink& sink, Operation operation) {
  std::vector<Operation> operations;
  operations.push_back(std::move(operation));
  const auto results = sink.ApplyAndWait(std::move(operations));
  if (!results.ok()) return results.status();
  return (*results)[0].status;
}

// What --role and --scope ask for together.
Result<KeyRole> WhatItMay(const KeysOptions& options) {
  const Result<uint8_t> scopes = ParseScopes(options.scopes);
  if (!scopes.ok()) return scopes.status();
  KeyRole may{"", options.browser ? KeyKind::kBrowser : KeyKind::kServer, *scopes, ""};
  if (options.role.empty()) {
    if (*scopes == 0)
      return Status::InvalidArgument("say what the key may do: --role, one of " + RoleNames() + ", or --scope");
    return may;
  }
  const std::optional<KeyRole> role = RoleFromName(options.role);
  if (!role) return Status::InvalidArgument("'" + options.role + "' is no role; there are " + RoleNames());
  may.scopes = static_cast<uint8_t>(may.scopes | role->scopes);
  if (role->kind == KeyKind::kBrowser) may.kind = KeyKind::kBrowser;
  return may;
}

Status Create(const KeysOptions& options, Terminal& terminal) {
  const Result<KeyRole> may = WhatItMay(options);
  if (!may.ok()) return may.status();
  std::optional<Timestamp> expires_at;
  if (!options.expires.empty()) {
    const Result<Timestamp> parsed = ParseRfc3339(options.expires);
    if (!parsed.ok()) return Status::InvalidArgument("--expires: " + parsed.status().message());
    expires_at = *parsed;
    if (*expires_at <= terminal.clock.Now()) {
      return Status::InvalidArgument("--expires: " + options.expires + " is past, the key would be refused at once");
    }
  }
  const Result<NewKey> key = MakeKey(options.name, may->kind, may->scopes, terminal.clock.Now(), expires_at);
  if (!key.ok()) return key.status();
  const auto session = StoreSession::Open(options.folder, StorePurpose::kWrite, ReadingStoreOptions());
  if (!session.ok()) return session.status();
  RAPPORT_RETURN_IF_ERROR(ApplyOne((*session)->sink(), PutApiKey{key->record}));
  if (options.json) {
    nlohmann::ordered_json json{{"key", key->text}};
    json.update(KeyJson(key->record));
    Print(terminal, json);
  } else {
    std::fprintf(terminal.out, "%s\n", key->text.c_str());
    std::fputs("rapport keys create: keep it well, it is not shown again\n", terminal.error);
  }
  return Status::Ok();
}

Status List(const KeysOptions& options, Terminal& terminal) {
  const auto session = StoreSession::Open(options.folder, StorePurpose::kRead, ReadingStoreOptions());
  if (!session.ok()) return session.status();
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const ApiKey& key : (*session)->store().ApiKeys()) {
    if (options.json) {
      all.push_back(KeyJson(key));
      continue;
    }
    std::string scopes;
    for (const std::string& name : ScopeNames(key.scopes)) scopes += (scopes.empty() ? "" : ",") + name;
    const bool expired = key.expires_at && *key.expires_at <= terminal.clock.Now();
    std::fprintf(terminal.out, "%s  %-8s %-8s %s  %s  %s\n", key.id.c_str(),
                 key.kind == KeyKind::kBrowser ? "browser" : "server",
                 key.revoked ? "revoked"
                 : expired   ? "expired"
                             : "valid",
                 FormatRfc3339(key.created_at).c_str(), scopes.c_str(), key.name.c_str());
  }
  if (options.json) Print(terminal, {{"keys", all}});
  return Status::Ok();
}

Status Revoke(const KeysOptions& options, Terminal& terminal) {
  const auto session = StoreSession::Open(options.folder, StorePurpose::kWrite, ReadingStoreOptions());
  if (!session.ok()) return session.status();
  if (Store* store = (*session)->local()) {
    Result<ApiKey> key = store->GetApiKey(options.id);
    if (!key.ok()) return key.status();
    key->revoked = true;
    RAPPORT_RETURN_IF_ERROR(ApplyOne(*store, PutApiKey{key.Take()}));
  } else {
    if (options.id.find_first_not_of("0123456789abcdef") != std::string::npos) {
      return Status::NotFound("there is no key '" + options.id + "'; 'rapport keys list' shows their ids");
    }
    RAPPORT_RETURN_IF_ERROR((*session)->server()->Call(Method::kDelete, "/v1/admin/keys/" + options.id).status());
  }
  std::fprintf(terminal.error, "rapport keys revoke: %s is refused from now on\n", options.id.c_str());
  return Status::Ok();
}

// Needs no store: only the folder of one. A server that holds it looks at the file every few seconds.
Status RotateSecret(const KeysOptions& options, Terminal& terminal) {
  const Result<std::string> marker = ReadFile(options.folder + "/RAPPORT", 4096);
  if (!marker.ok())
    return Status(marker.status().code(), options.folder + " is no store's folder: give the right --data");
  const size_t kept = options.forget_old ? 0 : options.keep;
  RAPPORT_RETURN_IF_ERROR(RotateSigningSecret(options.folder, kept, terminal.clock.Now()));
  std::fprintf(terminal.error,
               "rapport keys rotate-secret: a new secret signs%s; a running server takes it up within seconds\n",
               kept == 0 ? ", and nothing that was signed before is taken" : "");
  return Status::Ok();
}

}  // namespace

void AddKeysCommands(Commands& commands) {
  Commands group = commands.AddGroup("keys", "Makes, lists and revokes API keys");
  const auto add = [&group](const char* name, const char* what, const char* example,
                            Status (*run)(const KeysOptions&, Terminal&)) {
    auto options = std::make_shared<KeysOptions>();
    CLI::App* command =
        group.Add(name, what, example, [options, run](Terminal& terminal) { return run(*options, terminal); });
    command->add_option("--data", options->folder, "the store's folder")->required();
    return std::pair(command, options);
  };
  auto [create, options] = add("create", "Makes a key and shows it, once",
                               "rapport keys create --data shop --role server --expires 2027-01-01T00:00:00Z", Create);
  create
      ->add_option("--scope", options->scopes,
                   "what it may do: events, recommend, catalog, customers, campaigns, desk, models, operate")
      ->delimiter(',');
  create->add_option(
      "--role", options->role,
      "scopes under one name: browser, server, marketer, desk, scientist or operator; --scope adds to them");
  create->add_option("--name", options->name, "for you, to know it again");
  create->add_option("--expires", options->expires, "when it ends, RFC 3339");
  create->add_flag("--browser", options->browser,
                   "for pages: only for the visitor of a signed token, only from configured origins");
  create->add_flag("--json", options->json, "for machines");
  auto [list, list_options] = add("list", "Shows every key but its secret", "rapport keys list --data shop", List);
  list->add_flag("--json", list_options->json, "for machines");
  auto [revoke, revoke_options] =
      add("revoke", "Ends a key at once", "rapport keys revoke 0123456789ab --data shop", Revoke);
  revoke->add_option("ID", revoke_options->id, "the key's id, see 'rapport keys list'")->required();
  auto [rotate, rotate_options] = add("rotate-secret", "Makes a new secret for recommendation ids and visitor tokens",
                                      "rapport keys rotate-secret --data shop", RotateSecret);
  rotate->add_option("--keep", rotate_options->keep, "earlier secrets whose tokens are still taken")
      ->capture_default_str()
      ->check(CLI::Range(0, 16));
  rotate->add_flag("--forget-old", rotate_options->forget_old, "after a leak: nothing signed before is taken");
}

}  // namespace rapport
