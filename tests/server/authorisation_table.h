// Who may call what: the one table that the authorisation matrix holds every route to. A route that is not here fails
// the test, and so does a row without a route. Written by hand from docs/API.md, not derived from the route table.
//
// Columns: browser, server, marketer, desk, scientist, operator (the roles of server/auth.h).
//   x  gets through        .  403        *  public: answered whatever is sent along, nothing at all too
// A browser's x holds for its own visitor only: naming another customer is 403 there, always.
//
// In `target` and `body` WHO stands for a customer (own, then another), LIST for a recommendation id made for that
// customer. {parameters} of the pattern that stand for something else are filled with "x".
#pragma once

namespace rapport {

struct Allowed {
  const char* route;
  const char* scope;  // empty: public
  const char* who;
  const char* target = "";  // with a customer in it, where it names one; empty: the pattern
  const char* body = "";
};

inline constexpr Allowed kAuthorisation[] = {
    //                                            b s m d c o
    {"POST /v1/identify", "events", "x x . x . x", "", R"({"userId":"WHO"})"},
    {"POST /v1/track", "events", "x x . x . x", "", R"({"userId":"WHO","event":"Seen"})"},
    {"POST /v1/page", "events", "x x . x . x", "", R"({"userId":"WHO"})"},
    {"POST /v1/screen", "events", "x x . x . x", "", R"({"userId":"WHO"})"},
    {"POST /v1/group", "events", "x x . x . x", "", R"({"userId":"WHO","groupId":"g"})"},
    {"POST /v1/alias", "events", "x x . x . x", "", R"({"userId":"WHO","previousId":"WHO"})"},
    {"POST /v1/batch", "events", "x x . x . x", "", R"({"batch":[{"type":"track","userId":"WHO","event":"Seen"}]})"},
    {"GET /v1/events/types", "events", ". x . x . x"},

    {"PUT /v1/items", "catalog", ". x x . . x", "", R"({"itemId":"x"})"},
    {"GET /v1/items", "catalog", ". x x . . x"},
    {"GET /v1/items/{id}", "catalog", ". x x . . x"},
    {"PATCH /v1/items/{id}", "catalog", ". x x . . x", "", R"({"title":"X"})"},
    {"DELETE /v1/items/{id}", "catalog", ". x x . . x"},

    {"GET /v1/customers/{id}", "customers", ". x . x . x", "/v1/customers/WHO"},
    {"GET /v1/customers/{id}/events", "customers", ". x . x . x", "/v1/customers/WHO/events"},
    {"GET /v1/customers/{id}/export", "customers", ". x . x . x", "/v1/customers/WHO/export"},
    {"PUT /v1/customers/{id}/consents", "customers", ". x . x . x", "/v1/customers/WHO/consents",
     R"({"channel":"email","purpose":"marketing","given":true})"},
    {"PUT /v1/customers/{id}/personalization", "customers", ". x . x . x", "/v1/customers/WHO/personalization",
     R"({"personalization":"on"})"},

    {"POST /v1/recommendations", "recommend", "x x x x x x", "", R"({"customer":{"userId":"WHO"}})"},
    {"POST /v1/recommendations/next", "recommend", "x x x x x x", "", R"({"recommendationId":"LIST"})"},
    {"POST /v1/rank", "recommend", "x x x x x x", "", R"({"customer":{"userId":"WHO"},"items":["x"]})"},
    {"POST /v1/context", "recommend", "x x x x x x", "",
     R"({"customer":{"userId":"WHO"},"placements":[{"name":"top"}]})"},
    {"GET /v1/items/{id}/similar", "recommend", "x x x x x x", "/v1/items/x/similar?userId=WHO"},
    {"GET /v1/items/{id}/bought-together", "recommend", "x x x x x x", "/v1/items/x/bought-together?userId=WHO"},
    {"GET /v1/trending", "recommend", "x x x x x x", "/v1/trending?userId=WHO"},
    {"GET /v1/popular", "recommend", "x x x x x x", "/v1/popular?userId=WHO"},
    {"GET /v1/latest", "recommend", "x x x x x x", "/v1/latest?userId=WHO"},
    {"POST /v1/visitors", "recommend", ". x x x x x", "", R"({"userId":"WHO"})"},

    {"POST /v1/decisions", "campaigns", ". . x . . x", "", R"({"customer":{"userId":"WHO"}})"},
    {"GET /v1/decisions/{id}", "campaigns", ". . x . . x"},
    {"POST /v1/decisions/batch", "campaigns", ". . x . . x", "", R"({"items":["no-such-item"]})"},
    {"GET /v1/decisions/batch/{id}", "campaigns", ". . x . . x"},
    {"GET /v1/decisions/batch/{id}/plan", "campaigns", ". . x . . x"},
    {"POST /v1/assignments", "campaigns", ". . x . . x", "",
     R"({"places":[{"name":"x"}],"guests":[{"name":"x","customer":{"userId":"WHO"}}]})"},
    {"GET /v1/channels", "campaigns", ". . x . . x"},
    {"PUT /v1/channels", "campaigns", ". . x . . x", "", R"({"channels":[]})"},
    {"GET /v1/limits", "campaigns", ". . x . . x"},
    {"PUT /v1/limits", "campaigns", ". . x . . x", "", "{}"},

    {"GET /v1/models", "models", ". . . . x x"},
    {"POST /v1/models/train", "models", ". . . . x x", "", R"({"rank":0})"},
    {"POST /v1/models/register", "models", ". . . . x x", "", R"({"file":"x"})"},
    {"POST /v1/models/{generation}/activate", "models", ". . . . x x"},
    {"GET /v1/models/{generation}/report", "models", ". . . . x x"},
    {"GET /v1/models/{generation}/file", "models", ". . . . x x"},

    {"POST /v1/admin/checkpoint", "operate", ". . . . . x"},
    {"DELETE /v1/admin/checkpoint", "operate", ". . . . . x"},
    {"POST /v1/admin/backup", "operate", ". . . . . x", "", "{}"},
    {"POST /v1/admin/apply", "operate", ". . . . . x"},
    {"GET /v1/admin/keys", "operate", ". . . . . x"},
    {"POST /v1/admin/keys", "operate", ". . . . . x", "", R"({"scopes":["events"]})"},
    {"DELETE /v1/admin/keys/{id}", "operate", ". . . . . x"},

    // As Gorse has them (docs/GORSE.md): never for browsers.
    {"POST /api/user", "customers", ". x . x . x", "", R"({"UserId":"WHO"})"},
    {"POST /api/users", "customers", ". x . x . x", "", R"([{"UserId":"WHO"}])"},
    {"GET /api/users", "customers", ". x . x . x"},
    {"GET /api/user/{user}", "customers", ". x . x . x", "/api/user/WHO"},
    {"PATCH /api/user/{user}", "customers", ". x . x . x", "/api/user/WHO", R"({"Comment":"c"})"},
    {"DELETE /api/user/{user}", "customers", ". x . x . x", "/api/user/WHO"},
    {"GET /api/user/{user}/neighbors", "customers", ". x . x . x", "/api/user/WHO/neighbors"},
    {"GET /api/user/{user}/feedback", "customers", ". x . x . x", "/api/user/WHO/feedback"},
    {"GET /api/user/{user}/feedback/{type}", "customers", ". x . x . x", "/api/user/WHO/feedback/{type}"},
    {"POST /api/item", "catalog", ". x x . . x", "", R"({"ItemId":"x"})"},
    {"POST /api/items", "catalog", ". x x . . x", "", R"([{"ItemId":"x"}])"},
    {"GET /api/items", "catalog", ". x x . . x"},
    {"GET /api/item/{item}", "catalog", ". x x . . x"},
    {"PATCH /api/item/{item}", "catalog", ". x x . . x", "", R"({"Comment":"c"})"},
    {"DELETE /api/item/{item}", "catalog", ". x x . . x"},
    {"PUT /api/item/{item}/category/{category}", "catalog", ". x x . . x"},
    {"DELETE /api/item/{item}/category/{category}", "catalog", ". x x . . x"},
    {"GET /api/item/{item}/neighbors", "recommend", ". x x x x x"},
    {"GET /api/item/{item}/neighbors/{category}", "recommend", ". x x x x x"},
    {"GET /api/item/{item}/feedback", "customers", ". x . x . x"},
    {"GET /api/item/{item}/feedback/{type}", "customers", ". x . x . x"},
    {"POST /api/feedback", "events", ". x . x . x", "", R"([{"FeedbackType":"like","UserId":"WHO","ItemId":"x"}])"},
    {"PUT /api/feedback", "events", ". x . x . x", "", R"([{"FeedbackType":"like","UserId":"WHO","ItemId":"x"}])"},
    {"GET /api/feedback", "customers", ". x . x . x"},
    {"GET /api/feedback/{type}", "customers", ". x . x . x"},
    {"GET /api/feedback/{user}/{item}", "customers", ". x . x . x", "/api/feedback/WHO/{item}"},
    {"DELETE /api/feedback/{user}/{item}", "customers", ". x . x . x", "/api/feedback/WHO/{item}"},
    {"GET /api/feedback/{type}/{user}/{item}", "customers", ". x . x . x", "/api/feedback/{type}/WHO/{item}"},
    {"DELETE /api/feedback/{type}/{user}/{item}", "customers", ". x . x . x", "/api/feedback/{type}/WHO/{item}"},
    {"GET /api/recommend/{user}", "recommend", ". x x x x x", "/api/recommend/WHO"},
    {"GET /api/recommend/{user}/{category}", "recommend", ". x x x x x", "/api/recommend/WHO/{category}"},
    {"POST /api/session/recommend", "recommend", ". x x x x x", "", R"([{"FeedbackType":"like","ItemId":"x"}])"},
    {"POST /api/session/recommend/{category}", "recommend", ". x x x x x", "",
     R"([{"FeedbackType":"like","ItemId":"x"}])"},
    {"GET /api/popular", "recommend", ". x x x x x"},
    {"GET /api/popular/{category}", "recommend", ". x x x x x"},
    {"GET /api/latest", "recommend", ". x x x x x"},
    {"GET /api/latest/{category}", "recommend", ". x x x x x"},

    {"GET /healthz", "", "* * * * * *"},
    {"GET /readyz", "", "* * * * * *"},
    {"GET /metrics", "", "* * * * * *"},
    {"GET /openapi.json", "", "* * * * * *"},
};

// Parts of a request that need more than its route does: what POST /v1/batch and POST /v1/decisions need.
inline constexpr Allowed kAuthorisationOfParts[] = {
    {"POST /v1/context", "recommend", "x x . x . x", "",
     R"({"customer":{"userId":"WHO"},"placements":[{"name":"top"}],"events":[{"type":"track","event":"Seen"}]})"},
    {"POST /v1/context", "recommend", "x x . x . x", "",
     R"({"placements":[{"name":"top"}],"events":[{"type":"track","userId":"WHO","event":"Seen"}]})"},
    {"POST /v1/context", "recommend", ". . x . . x", "",
     R"({"customer":{"userId":"WHO"},"placements":[{"name":"top"}],"decision":{"dryRun":true}})"},
};

}  // namespace rapport
