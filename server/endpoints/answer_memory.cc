#include "server/endpoints/answer_memory.h"

namespace rapport {

void AnswerMemory::Erase(Shard& shard, std::list<Entry>::iterator at) {
  shard.bytes -= BytesOf(*at);
  shard.by_key.erase(at->first);
  shard.recent.erase(at);
}

std::shared_ptr<const AnswerMemory::Kept> AnswerMemory::Find(const std::string& key, Timestamp now) {
  if (!on()) return nullptr;
  Shard& shard = ShardOf(key);
  std::lock_guard lock(shard.mutex);
  const auto found = shard.by_key.find(key);
  if (found == shard.by_key.end()) return nullptr;
  if (found->second->second->expires_at <= now) {
    Erase(shard, found->second);
    return nullptr;
  }
  shard.recent.splice(shard.recent.begin(), shard.recent, found->second);
  return found->second->second;
}

void AnswerMemory::Keep(const std::string& key, std::shared_ptr<const Kept> kept) {
  if (!on()) return;
  Entry entry{key, std::move(kept)};
  const size_t room = options_.bytes_max / kShards;
  if (BytesOf(entry) > room) return;
  Shard& shard = ShardOf(key);
  std::lock_guard lock(shard.mutex);
  if (const auto found = shard.by_key.find(key); found != shard.by_key.end()) Erase(shard, found->second);
  shard.bytes += BytesOf(entry);
  shard.recent.push_front(std::move(entry));
  shard.by_key.emplace(shard.recent.front().first, shard.recent.begin());
  while (shard.bytes > room) Erase(shard, std::prev(shard.recent.end()));
}

size_t AnswerMemory::bytes() const {
  size_t sum = 0;
  for (const Shard& shard : shards_) {
    std::lock_guard lock(shard.mutex);
    sum += shard.bytes;
  }
  return sum;
}

}  // namespace rapport
