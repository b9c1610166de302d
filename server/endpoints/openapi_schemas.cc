// The schemas of the OpenAPI document, as JSON. docs/API.md tells the same for people.
#include "server/endpoints/openapi.h"

namespace rapport {
namespace {

constexpr std::string_view kSchemas = R"json({
"Id": {"oneOf": [{"type": "string", "minLength": 1, "maxLength": 256}, {"type": "integer"}],
  "description": "Any UTF-8 of 1 to 256 bytes"},
"Time": {"oneOf": [{"type": "string", "format": "date-time"},
  {"type": "integer", "description": "epoch milliseconds"}]},
"Money": {"oneOf": [{"type": "string", "pattern": "^-?[0-9]+(\\.[0-9]+)?$"}, {"type": "number"}],
  "description": "In the shop's one currency; answers hold strings"},
"AnyObject": {"type": "object", "additionalProperties": true},
"Value": {"oneOf": [{"type": "boolean"}, {"type": "number"}, {"type": "string"},
  {"type": "array", "items": {"type": "string"}}]},
"Problem": {"type": "object", "required": ["type", "title", "status", "detail"], "properties": {
  "type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"},
  "detail": {"type": "string", "description": "what to do"},
  "errors": {"type": "array", "items": {"$ref": "#/components/schemas/EntryError"}}}},
"EntryError": {"type": "object", "required": ["index", "detail"], "properties": {
  "index": {"type": "integer"}, "type": {"type": "string"}, "detail": {"type": "string"}}},
"Success": {"type": "object", "required": ["success"], "properties": {"success": {"const": true}}},
"Accepted": {"type": "object", "required": ["success"], "properties": {"success": {"const": true},
  "errors": {"type": "array", "items": {"$ref": "#/components/schemas/EntryError"},
    "description": "entries of a batch that were refused"},
  "warnings": {"type": "array", "items": {"$ref": "#/components/schemas/EntryError"},
    "description": "accepted, but for what stands here"}}},

"Call": {"type": "object", "properties": {
  "userId": {"$ref": "#/components/schemas/Id"}, "anonymousId": {"$ref": "#/components/schemas/Id"},
  "messageId": {"$ref": "#/components/schemas/Id"}, "timestamp": {"$ref": "#/components/schemas/Time"},
  "sentAt": {"$ref": "#/components/schemas/Time"},
  "context": {"type": "object", "properties": {"timezone": {"type": "string"}, "locale": {"type": "string"}}},
  "writeKey": {"type": "string"}},
  "anyOf": [{"required": ["userId"]}, {"required": ["anonymousId"]}]},
"Identify": {"allOf": [{"$ref": "#/components/schemas/Call"}, {"type": "object", "properties": {
  "traits": {"$ref": "#/components/schemas/AnyObject"}}}]},
"Track": {"allOf": [{"$ref": "#/components/schemas/Call"}, {"type": "object", "required": ["event"], "properties": {
  "event": {"type": "string"}, "properties": {"$ref": "#/components/schemas/AnyObject"}}}]},
"Page": {"allOf": [{"$ref": "#/components/schemas/Call"}, {"type": "object", "properties": {
  "name": {"type": "string"}, "category": {"type": "string"},
  "properties": {"$ref": "#/components/schemas/AnyObject"}}}]},
"Group": {"allOf": [{"$ref": "#/components/schemas/Call"}, {"type": "object", "required": ["groupId"], "properties": {
  "groupId": {"$ref": "#/components/schemas/Id"}, "traits": {"$ref": "#/components/schemas/AnyObject"}}}]},
"Alias": {"allOf": [{"$ref": "#/components/schemas/Call"}, {"type": "object", "required": ["previousId", "userId"],
  "properties": {"previousId": {"$ref": "#/components/schemas/Id"}}}]},
"Batch": {"type": "object", "required": ["batch"], "properties": {
  "batch": {"type": "array", "maxItems": 1000, "items": {"allOf": [{"$ref": "#/components/schemas/Call"},
    {"type": "object", "required": ["type"], "properties": {
      "type": {"enum": ["identify", "track", "page", "screen", "group", "alias"]}}}]}},
  "sentAt": {"$ref": "#/components/schemas/Time"}, "writeKey": {"type": "string"}}},
"EventTypes": {"type": "object", "properties": {"historyHalfLifeDays": {"type": "number"},
  "types": {"type": "array", "items": {"type": "object", "properties": {
    "event": {"type": "string"}, "type": {"type": "string"}, "weight": {"type": "number"},
    "items": {"enum": ["none", "single", "products"]}}}}}},

"ItemPatch": {"type": "object", "additionalProperties": false, "properties": {
  "title": {"type": "string"}, "price": {"$ref": "#/components/schemas/Money"},
  "margin": {"$ref": "#/components/schemas/Money"}, "stock": {"type": "integer"}, "available": {"type": "boolean"},
  "hidden": {"type": "boolean"}, "publishedAt": {"$ref": "#/components/schemas/Time"},
  "expiresAt": {"$ref": "#/components/schemas/Time"}, "categories": {"type": "array", "items": {"type": "string"}},
  "tags": {"type": "array", "items": {"type": "string"}}, "audience": {"type": "array", "items": {"type": "string"}}}},
"Item": {"type": "object", "additionalProperties": false, "required": ["itemId"], "properties": {
  "itemId": {"type": "string"}, "kind": {"type": "string", "default": "product"}, "title": {"type": "string"},
  "categories": {"type": "array", "maxItems": 64, "items": {"type": "string"}},
  "tags": {"type": "array", "maxItems": 64, "items": {"type": "string"}},
  "price": {"$ref": "#/components/schemas/Money"}, "margin": {"$ref": "#/components/schemas/Money"},
  "stock": {"type": "integer", "description": "absent: not counted; 0 or less: not shown"},
  "available": {"type": "boolean", "default": true}, "hidden": {"type": "boolean", "default": false},
  "audience": {"type": "array", "items": {"type": "string"}, "description": "absent: everybody"},
  "variantOf": {"type": "string"}, "publishedAt": {"$ref": "#/components/schemas/Time"},
  "expiresAt": {"$ref": "#/components/schemas/Time"}, "language": {"type": "string"},
  "attributes": {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/Value"}},
  "embedding": {"type": "array", "maxItems": 4096, "items": {"type": "number"}},
  "updatedAt": {"$ref": "#/components/schemas/Time"}}},
"ItemOrItems": {"oneOf": [{"$ref": "#/components/schemas/Item"},
  {"type": "array", "maxItems": 1000, "items": {"$ref": "#/components/schemas/Item"}}]},
"PutItemsAnswer": {"type": "object", "required": ["success"], "properties": {"success": {"const": true},
  "created": {"type": "integer"}, "updated": {"type": "integer"}, "unchanged": {"type": "integer"},
  "errors": {"type": "array", "items": {"$ref": "#/components/schemas/EntryError"}}}},
"ItemList": {"type": "object", "required": ["items"], "properties": {
  "items": {"type": "array", "items": {"$ref": "#/components/schemas/Item"}},
  "cursor": {"type": "string", "description": "absent: this was the last page"}}},

"Consent": {"type": "object", "additionalProperties": false, "required": ["channel", "purpose", "given"],
  "properties": {
  "channel": {"type": "string"}, "purpose": {"type": "string"}, "given": {"type": "boolean"},
  "time": {"$ref": "#/components/schemas/Time"}, "source": {"type": "string"}, "proof": {"type": "string"}}},
"ConsentOrConsents": {"oneOf": [{"$ref": "#/components/schemas/Consent"},
  {"type": "array", "minItems": 1, "maxItems": 100, "items": {"$ref": "#/components/schemas/Consent"}}]},
"Personalization": {"type": "object", "additionalProperties": false, "required": ["personalization"],
  "properties": {"personalization": {"enum": ["on", "off"]}}},
"CustomerName": {"type": "object", "additionalProperties": false, "properties": {
  "userId": {"$ref": "#/components/schemas/Id"}, "anonymousId": {"$ref": "#/components/schemas/Id"}},
  "anyOf": [{"required": ["userId"]}, {"required": ["anonymousId"]}]},
"Customer": {"type": "object", "properties": {"userId": {"type": "string"}, "anonymousId": {"type": "string"},
  "identities": {"type": "array", "items": {"$ref": "#/components/schemas/CustomerName"}},
  "personalization": {"enum": ["on", "off"]}, "timezone": {"type": "string"}, "locale": {"type": "string"},
  "country": {"type": "string"}, "audiences": {"type": "array", "items": {"type": "string"}},
  "traits": {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/Value"}},
  "consents": {"type": "array", "items": {"$ref": "#/components/schemas/Consent"}},
  "createdAt": {"type": "string", "format": "date-time"}, "updatedAt": {"type": "string", "format": "date-time"}}},
"CustomerEvents": {"type": "object", "required": ["events"], "properties": {
  "events": {"type": "array", "items": {"$ref": "#/components/schemas/AnyObject"}}}},
"CustomerExport": {"type": "object", "properties": {"exportedAt": {"type": "string", "format": "date-time"},
  "customer": {"$ref": "#/components/schemas/Customer"},
  "consentLedger": {"type": "array", "items": {"$ref": "#/components/schemas/Consent"}},
  "decisions": {"type": "array", "items": {"$ref": "#/components/schemas/AnyObject"}},
  "events": {"type": "array", "items": {"$ref": "#/components/schemas/AnyObject"}}}},

"WhatToShow": {"type": "object", "properties": {
  "scenario": {"type": "string", "default": "home"}, "kind": {"type": "string"},
  "seedItems": {"type": "array", "maxItems": 100, "items": {"$ref": "#/components/schemas/Id"}},
  "filter": {"type": "string", "maxLength": 8192},
  "boost": {"type": "array", "maxItems": 16, "items": {"type": "object", "additionalProperties": false,
    "required": ["filter"], "properties": {"filter": {"type": "string"},
      "factor": {"type": "number", "exclusiveMinimum": 0, "maximum": 100, "default": 1}}}},
  "exclude": {"type": "array", "maxItems": 10000, "items": {"$ref": "#/components/schemas/Id"}},
  "repeat": {"enum": ["allow", "exclude-owned", "exclude-ordered", "only-ordered"]},
  "return": {"type": "array", "maxItems": 64, "items": {"type": "string"}, "examples": [["title", "price"]]},
  "explain": {"type": "boolean", "default": false, "description": "with the reasons of each item"}}},
"Layout": {"type": "object", "properties": {
  "count": {"type": "integer", "minimum": 1, "maximum": 1000},
  "pin": {"type": "array", "maxItems": 100, "items": {"type": "object", "additionalProperties": false,
    "required": ["itemId"], "properties": {"itemId": {"$ref": "#/components/schemas/Id"},
      "position": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 1}}}},
  "diversity": {"type": "number", "minimum": 0, "maximum": 1, "description": "0: the ranking; 1: as unlike as can be"}}},
"RecommendRequest": {"allOf": [{"$ref": "#/components/schemas/WhatToShow"}, {"$ref": "#/components/schemas/Layout"}],
  "type": "object", "unevaluatedProperties": false, "properties": {
  "customer": {"$ref": "#/components/schemas/CustomerName"}}},
"NextPageRequest": {"type": "object", "additionalProperties": false, "required": ["recommendationId"], "properties": {
  "recommendationId": {"type": "string", "maxLength": 49152, "description": "of the page before, at most a day old"},
  "count": {"type": "integer", "minimum": 1, "maximum": 1000, "description": "absent: as many as before"},
  "customer": {"$ref": "#/components/schemas/CustomerName"}}},
"RecommendResponse": {"type": "object", "required": ["level", "generation", "items"], "properties": {
  "recommendationId": {"type": "string"},
  "level": {"$ref": "#/components/schemas/Level"}, "generation": {"type": "integer", "description": "0: no model"},
  "items": {"type": "array", "items": {"type": "object", "required": ["itemId", "score", "level"], "properties": {
    "itemId": {"type": "string"}, "score": {"type": "number"}, "level": {"$ref": "#/components/schemas/Level"},
    "pinned": {"const": true}, "explored": {"const": true, "description": "drawn for its slot; server keys only"},
    "propensity": {"type": "number", "exclusiveMinimum": 0, "maximum": 1,
      "description": "of an explored item: its probability at this slot; others have 1"},
    "properties": {"$ref": "#/components/schemas/AnyObject"},
    "impression": {"type": "string", "description": "send it back with the events of this item"},
    "reasons": {"type": "array", "maxItems": 3, "description": "where explain was asked for, the largest share first",
      "items": {"$ref": "#/components/schemas/Reason"}}}}}}},
"Reason": {"type": "object", "required": ["because", "share"], "properties": {
  "because": {"enum": ["ordered", "added", "viewed", "clicked", "rated", "other", "bought-with", "similar-to", "popular",
    "recent", "trending", "category", "new", "configured", "pinned", "explored", "model"]},
  "share": {"type": "number", "minimum": 0, "maximum": 1, "description": "of all that speaks for the item"},
  "itemId": {"type": "string", "description": "what was ordered, viewed, ...; absent where it may not be named"},
  "title": {"type": "string"}}},
"RankRequest": {"allOf": [{"$ref": "#/components/schemas/WhatToShow"}], "type": "object",
  "unevaluatedProperties": false, "required": ["items"], "properties": {
  "customer": {"$ref": "#/components/schemas/CustomerName"},
  "items": {"type": "array", "minItems": 1, "maxItems": 1000, "items": {"$ref": "#/components/schemas/Id"}}}},
"RankResponse": {"allOf": [{"$ref": "#/components/schemas/RecommendResponse"}], "type": "object",
  "required": ["refused", "unknown"], "properties": {
  "refused": {"type": "array", "items": {"type": "object", "required": ["itemId", "reason"], "properties": {
    "itemId": {"type": "string"}, "reason": {"type": "string", "examples": ["out of stock"]}}}},
  "unknown": {"type": "array", "items": {"type": "string"}}}},
"ContextRequest": {"type": "object", "additionalProperties": false, "required": ["placements"], "properties": {
  "customer": {"$ref": "#/components/schemas/CustomerName"},
  "placements": {"type": "array", "minItems": 1, "maxItems": 16, "items": {
    "allOf": [{"$ref": "#/components/schemas/WhatToShow"}, {"$ref": "#/components/schemas/Layout"}],
    "type": "object", "unevaluatedProperties": false, "required": ["name"], "properties": {
      "name": {"type": "string", "minLength": 1, "maxLength": 1024}}}},
  "allowDuplicates": {"type": "boolean", "default": false,
    "description": "true: a product may stand in several placements"}}},
"ContextResponse": {"type": "object", "required": ["customer", "generation", "placements"], "properties": {
  "customer": {"type": "object", "required": ["known", "identified", "personalization"], "properties": {
    "known": {"type": "boolean"}, "identified": {"type": "boolean"}, "personalization": {"enum": ["on", "off"]},
    "timezone": {"type": "string"}, "locale": {"type": "string"}, "country": {"type": "string"},
    "audiences": {"type": "array", "items": {"type": "string"}, "description": "server keys only"}}},
  "generation": {"type": "integer", "description": "0: no model"},
  "placements": {"type": "array", "items": {"allOf": [{"$ref": "#/components/schemas/RecommendResponse"}],
    "type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}}}},
"DecisionRequest": {"type": "object", "additionalProperties": false, "required": ["customer"], "properties": {
  "customer": {"type": "object", "properties": {"userId": {"$ref": "#/components/schemas/Id"},
    "anonymousId": {"$ref": "#/components/schemas/Id"}}},
  "purpose": {"type": "string", "default": "marketing", "description": "service and transactional need no consent"},
  "items": {"type": "array", "maxItems": 200, "items": {"$ref": "#/components/schemas/Id"},
    "description": "contents to choose from; absent: what would be recommended"},
  "channels": {"type": "array", "items": {"type": "string"}}, "from": {"$ref": "#/components/schemas/Time"},
  "until": {"$ref": "#/components/schemas/Time"}, "dryRun": {"type": "boolean", "default": false},
  "count": {"type": "integer", "minimum": 1, "maximum": 200, "default": 20}, "scenario": {"type": "string"},
  "kind": {"type": "string"}, "seedItems": {"type": "array"}, "filter": {"type": "string"}, "boost": {"type": "array"},
  "exclude": {"type": "array"}, "repeat": {"type": "string"}, "explain": {"type": "boolean"}}},
"Decision": {"type": "object", "required": ["decisionId", "action", "value", "propensity"], "properties": {
  "decisionId": {"type": "string"}, "action": {"enum": ["send", "nothing"]}, "itemId": {"type": "string"},
  "channel": {"type": "string"}, "place": {"type": "string"}, "at": {"type": "string", "format": "date-time"},
  "localTime": {"type": "string"}, "probability": {"type": "number"}, "value": {"type": "number"},
  "propensity": {"type": "number"}, "because": {"type": "string"}}},
"DecisionTold": {"type": "object", "required": ["decision", "words"], "properties": {
  "decision": {"$ref": "#/components/schemas/Decision"}, "words": {"$ref": "#/components/schemas/AnyObject"}}},
"Channels": {"type": "object", "additionalProperties": false, "required": ["channels"], "properties": {
  "channels": {"type": "array", "maxItems": 64}, "places": {"type": "array", "maxItems": 256}}},
"Limits": {"type": "object", "properties": {"caps": {"type": "array"}, "quietHours": {"type": "array"},
  "budgets": {"type": "array"}, "timezone": {"type": "string"}}},
"SettingsAnswer": {"type": "object", "required": ["success", "settingsVersion"], "properties": {
  "success": {"const": true}, "settingsVersion": {"type": "integer"}}},
"Level": {"enum": ["personal", "session", "similar", "segment", "popular", "static"]},
"VisitorRequest": {"type": "object", "additionalProperties": false, "properties": {
  "userId": {"$ref": "#/components/schemas/Id"}, "anonymousId": {"$ref": "#/components/schemas/Id"},
  "ttlSeconds": {"type": "integer", "minimum": 60, "maximum": 7776000, "default": 86400}},
  "oneOf": [{"required": ["userId"]}, {"required": ["anonymousId"]}]},
"TrainRequest": {"type": "object", "additionalProperties": false, "properties": {
  "model": {"enum": ["content", "response"], "default": "content"},
  "rank": {"type": "integer", "minimum": 1, "maximum": 512}, "epochs": {"type": "integer", "minimum": 1},
  "solver": {"enum": ["auto", "exact", "conjugate-gradient", "blocks"], "default": "auto"},
  "seed": {"type": "integer"}, "holdoutDays": {"type": "number"}, "activate": {"type": "boolean", "default": true},
  "force": {"type": "boolean", "default": false, "description": "register it whatever the gate says"}}},
"RegisterRequest": {"type": "object", "additionalProperties": false, "required": ["file"], "properties": {
  "file": {"type": "string"}, "report": {"type": "string", "description": "the text of a JSON object"}}},
"KeyRequest": {"type": "object", "additionalProperties": false, "required": ["scopes"], "properties": {
  "scopes": {"type": "array", "items": {"enum": ["events", "recommend", "catalog", "customers", "campaigns", "desk",
    "models", "operate"]}}, "name": {"type": "string", "maxLength": 256}, "browser": {"type": "boolean"},
  "expiresAt": {"$ref": "#/components/schemas/Time"}}},
"VisitorResponse": {"type": "object", "required": ["visitor", "expiresAt"], "properties": {
  "visitor": {"type": "string"}, "expiresAt": {"type": "string", "format": "date-time"}}}
})json";

}  // namespace

std::string_view ApiSchemas() { return kSchemas; }

}  // namespace rapport
