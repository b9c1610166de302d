// The fields of each record, in their order on disk: see data/archive.h.
#pragma once

#include "data/archive.h"

namespace rapport {

// R is the record or its const.

#define RAPPORT_FIELDS(Record, ...)                              \
  template <typename A, typename R>                              \
  requires std::is_same_v<std::remove_const_t<R>, Record>        \
  void Fields(A& a, R& r) {                                      \
    const auto each = [&a](auto&... field) { (a(field), ...); }; \
    each(__VA_ARGS__);                                           \
  }

RAPPORT_FIELDS(Decimal, r.mantissa, r.scale)
RAPPORT_FIELDS(CustomerRef, r.name_space, r.external_id)
RAPPORT_FIELDS(Profile, r.id, r.ref, r.personalization, r.time_zone, r.locale, r.country, r.audiences, r.traits,
               r.created_at, r.updated_at, r.told_at)
RAPPORT_FIELDS(Consent, r.channel, r.purpose, r.given, r.time, r.source, r.proof)
RAPPORT_FIELDS(Link, r.child, r.parent, r.time)
RAPPORT_FIELDS(Item, r.id, r.external_id, r.kind, r.title, r.categories, r.tags, r.price, r.margin, r.stock,
               r.available, r.hidden, r.catalogued, r.audience, r.variant_of, r.published_at, r.expires_at, r.language,
               r.attributes, r.embedding, r.updated_at)
RAPPORT_FIELDS(ItemLine, r.item, r.quantity, r.price)
// What models read comes first: DecodeHistory stops there.
RAPPORT_FIELDS(Event, r.type, r.time_mark, r.time, r.value, r.lines, r.name, r.order_id, r.customer, r.id,
               r.received_at, r.source, r.message_id, r.store_id, r.channel, r.properties, r.contact)
RAPPORT_FIELDS(ContactEntry, r.event, r.type, r.time, r.contact_id, r.channel, r.place, r.item, r.facts)
RAPPORT_FIELDS(Decision, r.id, r.customer, r.time, r.generation, r.body)
RAPPORT_FIELDS(ApiKey, r.id, r.secret_hash, r.kind, r.scopes, r.name, r.created_at, r.expires_at, r.revoked)
RAPPORT_FIELDS(ModelRecord, r.generation, r.kind, r.file, r.sha256, r.state, r.created_at, r.report)

}  // namespace rapport
