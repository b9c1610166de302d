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

    {"GET /healthz", "", "* * * * * *"},
    {"GET /readyz", "", "* * * * * *"},
    {"GET /metrics", "", "* * * * * *"},
    {"GET /openapi.json", "", "* * * * * *"},
};

}  // namespace rapport
