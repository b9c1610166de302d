// Decisions in plain words, English and Chinese: tables of phrases by the codes that decision_json.cc writes.
#include <algorithm>

#include "server/endpoints/decision_json.h"
#include "server/endpoints/json_body.h"
#include "server/endpoints/json_writer.h"

namespace rapport {
namespace {

struct Phrase {
  const char* code;
  const char* english;
  const char* chinese;
};

constexpr Phrase kChannels[] = {
    {"email", "by e-mail", "通过电子邮件"},   {"sms", "by text message", "通过短信"},
    {"push", "in the app", "通过应用推送"},   {"message", "by instant message", "通过即时消息"},
    {"call", "by phone", "通过电话"},         {"post", "by post", "通过邮寄"},
    {"in-app", "inside the app", "在应用内"}, {"visit", "at one of our branches", "在门店"}};
constexpr Phrase kWeekdays[] = {{"monday", "Monday", "星期一"},       {"tuesday", "Tuesday", "星期二"},
                                {"wednesday", "Wednesday", "星期三"}, {"thursday", "Thursday", "星期四"},
                                {"friday", "Friday", "星期五"},       {"saturday", "Saturday", "星期六"},
                                {"sunday", "Sunday", "星期日"}};
constexpr Phrase kTimes[] = {
    {"own-habit", "because you have answered or visited us around that time before",
     "因为您以前常在这个时间回复或访问我们"},
    {"usual-hour", "because most people like to hear from us then", "因为大多数人喜欢在这个时间收到消息"},
    {"first-good-hour", "because it is a good moment within the hours you allow", "因为这是您允许的时段内合适的时间"}};
constexpr Phrase kWays[] = {{"own-habit", "You have answered this way before.", "您以前通过这种方式回复过我们。"},
                            {"only-channel", "It is the only way you have allowed.", "这是您允许的唯一方式。"},
                            {"usual-channel", "Most people prefer it.", "大多数人更喜欢这种方式。"}};
constexpr Phrase kContents[] = {
    {"ordered", "It goes with something you ordered", "它与您订购过的商品有关"},
    {"added", "It goes with something you put into your basket", "它与您加入购物车的商品有关"},
    {"viewed", "It goes with something you looked at", "它与您浏览过的商品有关"},
    {"clicked", "It goes with something you looked at", "它与您浏览过的商品有关"},
    {"popular", "Many customers like it", "许多顾客喜欢它"},
    {"recent", "Many customers have chosen it lately", "最近许多顾客选择了它"},
    {"new", "It is new", "这是新品"}};
constexpr Phrase kNothings[] = {
    {"no-content", "there is nothing we could tell you now", "目前没有可以告诉您的内容"},
    {"no-arm", "your wishes and our rules leave no moment and no way",
     "根据您的意愿和我们的规则，目前没有合适的时间和方式"},
    {"not-worth-it", "nothing is worth disturbing you for", "没有值得打扰您的内容"},
    {"limits", "we can only write to some people at a time, and others were more likely to want it",
     "我们一次只能联系部分顾客，而其他顾客可能更需要这条消息"},
    {"by-chance", "we leave some people in peace at random, to learn whether our messages help",
     "我们会随机不打扰部分顾客，以了解消息是否有帮助"}};
constexpr Phrase kRules[] = {
    {"channel-disabled", "the channel is switched off", "渠道已停用"},
    {"no-consent", "no consent", "未获得同意"},
    {"consent-withdrawn", "consent was withdrawn", "已撤回同意"},
    {"no-address", "no address is known", "没有联系地址"},
    {"bounced", "the last message bounced", "上一条消息被退回"},
    {"open-complaint", "a complaint is open", "有未处理的投诉"},
    {"holdout", "held out", "属于对照组"},
    {"too-many-contacts", "too many contacts to be sure of the caps", "联系记录过多，无法确认上限"},
    {"quiet-hours", "quiet hours", "免打扰时段"},
    {"frequency-cap", "frequency cap", "达到次数上限"},
    {"messaging-window", "outside the messaging window", "不在消息窗口内"},
    {"place-closed", "the place is closed", "门店未营业"},
    {"too-late", "would come too late or too early for the content", "对内容来说太早或太晚"},
    {"content-not-allowed", "the content may not be shown", "内容不可展示"},
    {"too-far", "the place is too far away", "门店太远"},
    {"capacity", "the capacity is used up", "容量已用完"}};

struct Words {
  std::string english, chinese;
};

template <size_t N>
Words Find(const Phrase (&phrases)[N], const std::string& code) {
  for (const Phrase& phrase : phrases) {
    if (code == phrase.code) return {phrase.english, phrase.chinese};
  }
  return {code, code};
}

std::string Text(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

Words ForCustomer(const Json& decision) {
  if (Text(decision, "action") != "send") {
    const Words why = Find(kNothings, Text(decision, "because"));
    return {"We decided not to write to you, because " + why.english + ".", "我们决定不打扰您：" + why.chinese + "。"};
  }
  const Json& reasons = decision.contains("reasons") ? decision["reasons"] : Json::object();
  const Words channel = Find(kChannels, Text(decision, "channel")), day = Find(kWeekdays, Text(decision, "weekday"));
  const Words time = Find(kTimes, Text(reasons, "time")), way = Find(kWays, Text(reasons, "channel"));
  const std::string hour = Text(decision, "localTime").substr(11, 5), title = Text(decision, "title");
  Words words{"We chose to tell you about \"" + title + "\" " + channel.english + " on " + day.english + " at " + hour +
                  ", " + time.english + ". " + way.english,
              "我们选择在" + day.chinese + hour + channel.chinese + "向您介绍“" + title + "”，" + time.chinese + "。" +
                  way.chinese};
  if (reasons.contains("content") && !reasons["content"].empty()) {
    const Json& first = reasons["content"][0];
    const Words content = Find(kContents, Text(first, "because"));
    const bool known = content.english != Text(first, "because");
    const std::string about = Text(first, "title");
    if (known) {
      words.english += " " + content.english + (about.empty() ? "." : ": " + about + ".");
      words.chinese += content.chinese + (about.empty() ? "。" : "：" + about + "。");
    }
  }
  words.english += " You can object to messages, or to personal choices, at any time.";
  words.chinese += "您可以随时拒绝接收消息或拒绝个性化选择。";
  return words;
}

Words ForMarketer(const Json& decision) {
  const auto number = [&](const char* key) { return decision.value(key, 0.0); };
  char text[160];
  Words words;
  if (Text(decision, "action") == "send") {
    std::snprintf(text, sizeof text, "%.3g", number("probability"));
    words.english = Text(decision, "itemId") + " " + Find(kChannels, Text(decision, "channel")).english + " at " +
                    Text(decision, "localTime") + " (" + Text(decision, "timezone") +
                    "): a response with probability " + text;
    words.chinese = Text(decision, "itemId") + "，" + Find(kChannels, Text(decision, "channel")).chinese + "，" +
                    Text(decision, "localTime") + "（" + Text(decision, "timezone") + "）：响应概率 " + text;
    std::snprintf(text, sizeof text, "%.3g x %.4g - %.4g - risk of losing the customer = %.4g", number("probability"),
                  number("margin"), number("cost"), number("value"));
    words.english += std::string(", worth ") + text + ".";
    std::snprintf(text, sizeof text, "%.4g", number("value"));
    words.chinese += std::string("，价值 ") + text + "。";
  } else {
    words = {"Nothing: " + Find(kNothings, Text(decision, "because")).english + ".",
             "不联系：" + Find(kNothings, Text(decision, "because")).chinese + "。"};
  }
  std::snprintf(text, sizeof text, "%.3g", number("propensity"));
  words.english += std::string(" Chosen with probability ") + text + " among the shortlist.";
  words.chinese += std::string("在候选方案中以概率 ") + text + " 选中。";
  if (decision.contains("removed") && !decision["removed"].empty()) {
    words.english += " Taken away:";
    words.chinese += "被排除：";
    bool first = true;
    for (const Json& removed : decision["removed"]) {
      const Words rule = Find(kRules, Text(removed, "reason"));
      const std::string arms = std::to_string(removed.value("arms", uint64_t{0}));
      words.english += (first ? " " : "; ") + Text(removed, "channel") + ": " + rule.english + " (" + arms + ")";
      words.chinese += (first ? "" : "；") + Text(removed, "channel") + "：" + rule.chinese + "（" + arms + "）";
      first = false;
    }
    words.english += ".";
    words.chinese += "。";
  }
  return words;
}

}  // namespace

std::string DecisionInWords(const std::string& decision_json) {
  const Json decision = Json::parse(decision_json, nullptr, false);
  JsonWriter out;
  out.BeginObject();
  if (decision.is_object()) {
    const std::pair<const char*, Words> readers[] = {{"marketer", ForMarketer(decision)},
                                                     {"customer", ForCustomer(decision)}};
    for (const auto& [reader, words] : readers) {
      out.Key(reader).BeginObject().Key("en").String(words.english).Key("zh").String(words.chinese).EndObject();
    }
  }
  return out.EndObject().Take();
}

}  // namespace rapport
