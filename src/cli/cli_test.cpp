#include <gtest/gtest.h>

#include <sys/stat.h>
#include <boost/json.hpp>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "cli/commands.hpp"
#include "cli/context.hpp"
#include "cli/output.hpp"
#include "cli/table.hpp"
#include "cli/views.hpp"
#include "cli/words.hpp"

namespace gyre::cli {
namespace {

namespace json = boost::json;

// ---- words and tables ----

TEST(Words, EveryWordStandsInBothLanguagesWithTheSamePlaceholders) {
  const auto placeholders = [](std::string_view text) {
    std::set<std::string> out;
    for (std::size_t open = 0; (open = text.find('{', open)) != std::string_view::npos; ++open)
      out.insert(std::string(text.substr(open, text.find('}', open) - open + 1)));
    return out;
  };
#define WORD(name, en, ko)                    \
  EXPECT_FALSE(std::string_view(en).empty()); \
  EXPECT_FALSE(std::string_view(ko).empty()); \
  EXPECT_EQ(placeholders(en), placeholders(ko)) << #name;
#include "cli/words.def"
#undef WORD
}

TEST(Words, TheLanguageComesFromTheFlagThenTheEnvironment) {
  EXPECT_EQ(language_of("", {{"LANG", "ko_KR.UTF-8"}}), Language::ko);
  EXPECT_EQ(language_of("", {{"LANG", "ko_KR.UTF-8"}, {"LC_ALL", "en_US.UTF-8"}}), Language::en);
  EXPECT_EQ(language_of("ko", {{"LC_ALL", "C"}}), Language::ko);
  EXPECT_EQ(language_of("", {}), Language::en);
}

TEST(TableTest, HangulTakesTwoCellsAndColumnsStayAligned) {
  EXPECT_EQ(display_width("파드"), 4u);
  EXPECT_EQ(display_width("a\u0301"), 1u);
  Table table({{.title = "이름"}, {.title = "STATUS"}});
  table.add({{"학습"}, {"running"}});
  table.add({{"train"}, {"실패"}});
  EXPECT_EQ(table.print(0, false), "이름   STATUS\n학습   running\ntrain  실패\n");
}

TEST(TableTest, ANarrowTerminalCutsAndNeverWraps) {
  Table table({{.title = "ID", .least_width = 4}, {.title = "WHY", .least_width = 4}});
  table.add({{"abcd"}, {"모든 GPU가 사용 중이라서 기다려요"}});
  for (std::size_t width = 1; width < 60; ++width) {
    std::istringstream lines(table.print(width, false));
    for (std::string line; std::getline(lines, line);) EXPECT_LE(display_width(line), width) << line;
  }
}

TEST(TableTest, WhatComesFromUsersCannotSteerTheTerminal) {
  EXPECT_EQ(printable("a\033[2Jb\r\nc"), "a\uFFFD[2Jb\uFFFD c");
  EXPECT_EQ(printable("\xff\xc0\x80"), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(printable("한글 ok"), "한글 ok");
}

TEST(TableTest, CutTextEndsInAnEllipsisAndFits) {
  EXPECT_EQ(cut_to_width("대기 중이에요", 6), "대기…");
  EXPECT_EQ(cut_to_width("short", 5), "short");
}

// ---- contexts ----

class ContextTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "gyre-cli-XXXXXX").string();
    dir_ = ::mkdtemp(name.data());
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }
  std::string dir_;
};

TEST_F(ContextTest, WhatIsSavedIsReadBackAndOnlyWeMayReadIt) {
  const auto file = dir_ + "/deep/config.yaml";
  Contexts contexts;
  remember(contexts, "local", {"http://127.0.0.1:1", "rpa_x: #1", "/data"});
  ASSERT_TRUE(write_contexts(file, contexts));
  struct stat status {};
  ASSERT_EQ(::stat(file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  const auto again = read_contexts(file);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->current, "local");
  EXPECT_EQ(again->by_name.at("local").api_key, "rpa_x: #1");
  EXPECT_EQ(again->by_name.at("local").data_dir, "/data");
}

TEST_F(ContextTest, FlagsWinOverTheEnvironmentAndThatOverWhatIsSaved) {
  Contexts contexts;
  remember(contexts, "local", {"http://saved:1", "saved-key", ""});
  EXPECT_EQ(choose({}, {}, contexts)->context.server, "http://saved:1");
  EXPECT_EQ(choose({}, {{"GYRE_SERVER", "http://env:1/"}}, contexts)->context.server, "http://env:1");
  EXPECT_EQ(
      choose({.server = "http://flag:1", .api_key = "k", .context = ""}, {{"GYRE_SERVER", "http://env:1"}}, contexts)
          ->context.server,
      "http://flag:1");
  EXPECT_EQ(choose({}, {{"GYRE_API_KEY", "env-key"}}, contexts)->context.api_key, "env-key");
  EXPECT_EQ(choose({}, {}, {}).error().reason, Reason::no_server_known);
  EXPECT_FALSE(choose({.server = "ftp://x", .api_key = "", .context = ""}, {}, {}));
}

TEST_F(ContextTest, ASavedKeyIsNotSentToAnotherServer) {
  Contexts contexts;
  remember(contexts, "local", {"http://saved:1", "saved-key", ""});
  EXPECT_EQ(choose({.server = "http://other:1", .api_key = "", .context = ""}, {}, contexts)->context.api_key, "");
  EXPECT_EQ(choose({.server = "http://saved:1/", .api_key = "", .context = ""}, {}, contexts)->context.api_key,
            "saved-key");
}

// ---- pod create ----

TEST_F(ContextTest, FlagsBecomeTheBodyOfTheRequest) {
  std::ofstream(dir_ + "/vars") << "# comment\nA=1\n\nHOME\nB=x=y\r\n";
  PodCreateFlags flags;
  flags.image = "img:1";
  flags.name = "학습";
  flags.gpu_types = {"NVIDIA A40", "NVIDIA L4"};
  flags.gpus = 2;
  flags.env_file = dir_ + "/vars";
  flags.env = {"A=2"};
  flags.ports = {"8888/http"};
  flags.command = {"python", "-c", "print(1)"};
  const auto body = create_body(flags, {{"HOME", "/root"}});
  ASSERT_TRUE(body) << body.error().message();
  const auto expected = json::parse(
      R"--({"imageName":"img:1","name":"학습","gpuTypeIds":["NVIDIA A40","NVIDIA L4"],"gpuCount":2,)--"
      R"--("env":{"A":"2","HOME":"/root","B":"x=y"},"ports":["8888/http"],"dockerStartCmd":["python","-c","print(1)"]})--");
  EXPECT_EQ(json::value(*body), expected);
}

TEST(PodCreate, ItMayEndByItself) {
  PodCreateFlags flags;
  flags.image = "x";
  flags.stop_after = "12h";
  flags.terminate_after = "2026-12-01T00:00:00Z";
  EXPECT_EQ(json::value(create_body(flags, {}).value()),
            json::parse(R"({"imageName":"x","stopAfter":"12h","terminateAfter":"2026-12-01T00:00:00Z"})"));
}

TEST(PodCreate, ABidMakesASpotPod) {
  PodCreateFlags flags;
  flags.image = "x";
  flags.spot = true;
  EXPECT_EQ(json::value(create_body(flags, {}).value()), json::parse(R"({"imageName":"x","interruptible":true})"));
  flags.spot = false;
  flags.bid = "0.25";
  EXPECT_EQ(json::value(create_body(flags, {}).value()),
            json::parse(R"({"imageName":"x","interruptible":true,"bidPerGpu":0.25})"));
  flags.bid = "much";
  EXPECT_NE(create_body(flags, {}).error().message().find("--bid"), std::string::npos);
  flags.bid = "1";
  flags.cpu = true;
  EXPECT_FALSE(create_body(flags, {}));
}

TEST(PodCreate, WhatCannotBeMeantIsRefusedBeforeItIsSent) {
  EXPECT_FALSE(create_body({}, {}));
  PodCreateFlags both;
  both.image = "x";
  both.cpu = true;
  both.gpus = 1;
  EXPECT_FALSE(create_body(both, {}));
  PodCreateFlags unset;
  unset.image = "x";
  unset.env = {"NOT_SET_ANYWHERE"};
  ASSERT_FALSE(create_body(unset, {}));
  EXPECT_NE(create_body(unset, {}).error().message().find("NOT_SET_ANYWHERE"), std::string::npos);
}

// ---- commands, against an API of prepared answers ----

class FakeApi final : public Api {
 public:
  Outcome<Answer> call(const Call& call) override {
    std::lock_guard lock(mutex);
    calls.push_back(call);
    const auto key = call.method + " " + call.target;
    auto& queue = answers[key];
    if (queue.empty())
      return tl::unexpected(
          failure_of(make(404, R"({"code":"pod_not_found","detail":"no pod","fix":"look"})"), url_, Language::en));
    Answer answer = queue.front();
    if (queue.size() > 1) queue.pop_front();
    if (answer.status == 0)
      return tl::unexpected(Failure{exit_unreachable, "server_unreachable", "gone", "", "", "", "", ""});
    if (!answer.ok()) return tl::unexpected(failure_of(answer, url_, Language::en));
    return answer;
  }
  Outcome<> stream(const Call& call, const Chunk& chunk, std::stop_token stop) override {
    std::string bytes;
    {
      std::lock_guard lock(mutex);
      calls.push_back(call);
      bytes = streams[call.target];
    }
    // Events keep coming until the listener has enough, as from a server where much happens.
    while (!stop.stop_requested() && chunk(bytes) && call.target.starts_with("/v1/events")) std::this_thread::yield();
    return {};
  }
  const std::string& url() const override { return url_; }

  static Answer make(int status, std::string body) {
    Answer answer;
    answer.status = status;
    answer.body = std::move(body);
    return answer;
  }
  void on(const std::string& call, int status, std::string body) {
    answers[call].push_back(make(status, std::move(body)));
  }

  std::mutex mutex;
  std::map<std::string, std::deque<Answer>> answers;
  std::map<std::string, std::string> streams;
  std::vector<Call> calls;
  std::string url_ = "http://test";
};

class CommandTest : public testing::Test {
 protected:
  CommandTest() {
    terminal.out = ::open_memstream(&out_, &out_size_);
    terminal.err = ::open_memstream(&err_, &err_size_);
    api.streams["/v1/events?pod=p1"] = "data: {}\n\n";
  }
  ~CommandTest() override {
    std::fclose(terminal.out);
    std::fclose(terminal.err);
    std::free(out_);
    std::free(err_);
  }
  std::string out() { return std::fflush(terminal.out), std::string(out_, out_size_); }
  std::string err() { return std::fflush(terminal.err), std::string(err_, err_size_); }

  FakeApi api;
  Terminal terminal;
  Commands commands{api, terminal, {}, {}, [] { return std::string("key-1"); }, [] { return Time{}; }};

 private:
  char *out_ = nullptr, *err_ = nullptr;
  std::size_t out_size_ = 0, err_size_ = 0;
};

TEST_F(CommandTest, CreateAndWaitEndsWhenThePodRuns) {
  api.on("POST /v1/pods", 201, R"({"id":"p1","name":"n","status":"registered"})");
  api.on("GET /v1/pods/p1", 200, R"({"id":"p1","name":"n","status":"queued","queue":{"position":2,"hosts":[]}})");
  api.on(
      "GET /v1/pods/p1", 200,
      R"({"id":"p1","status":"provisioning","progress":{"phase":"downloading","percent":42,"bytesDone":42000000,"bytesTotal":100000000,"bytesPerSecond":5000000}})");
  api.on("GET /v1/pods/p1", 200, R"({"id":"p1","name":"n","status":"running"})");
  PodCreateFlags flags;
  flags.image = "img";
  EXPECT_EQ(pod_create(commands, flags, {.wait = true}), exit_ok);
  EXPECT_EQ(api.calls.front().idempotency_key, "key-1");
  EXPECT_NE(err().find("queued (position 2)"), std::string::npos) << err();
  EXPECT_NE(err().find("pulling the image 42% (42.0 MB of 100 MB, 5.0 MB/s)"), std::string::npos) << err();
  EXPECT_EQ(out(), "n (p1): running\n");
}

TEST_F(CommandTest, AFailedPodEndsTheWaitWithItsReasonAndExitCode) {
  api.on("POST /v1/pods", 201, R"({"id":"p1","name":"n","status":"registered"})");
  api.on(
      "GET /v1/pods/p1", 200,
      R"({"id":"p1","name":"n","status":"failed","reason":{"code":"image_not_found","text":"no image img","fix":"check the name"}})");
  PodCreateFlags flags;
  flags.image = "img";
  EXPECT_EQ(pod_create(commands, flags, {.wait = true}), exit_failed);
  EXPECT_NE(
      err().find("error: the pod n (p1) is failed\nwhy: no image img\ntry: check the name\ncode: image_not_found"),
      std::string::npos)
      << err();
}

TEST_F(CommandTest, TheWaitOutlivesARestartOfTheServer) {
  api.on("GET /v1/pods/p1", 200, R"({"id":"p1","name":"n","desiredStatus":"RUNNING","status":"queued"})");
  api.on("GET /v1/pods/p1", 200, R"({"id":"p1","name":"n","status":"queued"})");
  api.on("GET /v1/pods/p1", 0, "");
  api.on("GET /v1/pods/p1", 200, R"({"id":"p1","name":"n","status":"running"})");
  EXPECT_EQ(pod_get(commands, "p1", {.wait = true}), exit_ok);
  EXPECT_NE(err().find("does not answer"), std::string::npos);
}

TEST_F(CommandTest, AWaitThatTakesTooLongSaysSo) {
  api.on("GET /v1/pods/p1", 200, R"({"id":"p1","name":"n","status":"queued"})");
  EXPECT_EQ(pod_get(commands, "p1", {.wait = true, .timeout = Duration(20)}), exit_timed_out);
  EXPECT_NE(err().find("wait_timed_out"), std::string::npos) << err();
}

TEST_F(CommandTest, AnInterruptedWaitSaysHowToFollow) {
  std::stop_source stop;
  stop.request_stop();
  commands.stop = stop.get_token();
  api.on("GET /v1/pods/p1", 200, R"({"id":"p1","name":"n","status":"queued"})");
  EXPECT_EQ(pod_get(commands, "p1", {.wait = true}), exit_interrupted);
  EXPECT_NE(err().find("gyre pod get p1 --wait"), std::string::npos) << err();
}

TEST_F(CommandTest, AMissingPodIsExitCode3WithTheServersWords) {
  api.on("GET /v1/pods?name=nope", 200, "[]");
  EXPECT_EQ(pod_get(commands, "nope", {}), exit_not_found);
  EXPECT_NE(err().find("error: no pod\ntry: look\n"), std::string::npos) << err();
}

TEST_F(CommandTest, APodIsFoundByItsNameOnlyWhenOneHasIt) {
  api.on("GET /v1/pods?name=one", 200, R"([{"id":"p1","name":"one","status":"running"}])");
  api.on("GET /v1/pods/p1", 200, R"({"id":"p1","name":"one","status":"running"})");
  api.on("POST /v1/pods/p1/stop", 200, R"({"id":"p1","name":"one","status":"stopping"})");
  EXPECT_EQ(pod_verb(commands, PodVerb::stop, "one", {}, {}), exit_ok);
  EXPECT_EQ(out(), "one (p1): stopping\n");
  api.on("GET /v1/pods?name=two", 200, R"([{"id":"p1","name":"two"},{"id":"p2","name":"two"}])");
  EXPECT_EQ(pod_verb(commands, PodVerb::stop, "two", {}, {}), exit_usage);
  EXPECT_NE(err().find("p1, p2"), std::string::npos) << err();
}

TEST_F(CommandTest, ASpotPodIsStartedWithANewBidAndShownWithIt) {
  const std::string shown = R"({"id":"p1","name":"n","status":"queued","gpuCount":2,"gpu":{"id":"NVIDIA A40"},)"
                            R"("interruptible":true,"bidPerGpu":2.5E-1})";
  api.on("GET /v1/pods/p1", 200, shown);
  api.on("POST /v1/pods/p1/start?bidPerGpu=0.25", 200, shown);
  EXPECT_EQ(pod_verb(commands, PodVerb::start, "p1", {.gpus = {}, .bid = "0.25"}, {}), exit_ok);
  EXPECT_EQ(pod_verb(commands, PodVerb::start, "p1", {.gpus = {}, .bid = "cheap"}, {}), exit_usage);
  EXPECT_EQ(pod_get(commands, "p1", {}), exit_ok);
  EXPECT_NE(out().find("2 × NVIDIA A40 (spot)"), std::string::npos) << out();
  EXPECT_NE(out().find("$0.25 an hour for each GPU"), std::string::npos) << out();
}

TEST_F(CommandTest, JsonModePrintsTheObjectAndErrorsAsOneObject) {
  terminal.format = Format::json;
  api.on("GET /v1/pods", 200, R"([{"id":"p1","name":"n"}])");
  EXPECT_EQ(pod_list(commands, {}), exit_ok);
  EXPECT_EQ(json::parse(out()), json::parse(R"([{"id":"p1","name":"n"}])"));
  api.on("POST /v1/pods", 400,
         R"({"code":"invalid_field","detail":"ports[1]: expected PORT/http","field":"ports[1]","requestId":"r1"})");
  PodCreateFlags flags;
  flags.image = "x";
  EXPECT_EQ(pod_create(commands, flags, {}), exit_usage);
  const auto error = json::parse(err());
  EXPECT_EQ(error.at("field"), "ports[1]");
  EXPECT_EQ(error.at("requestId"), "r1");
}

TEST_F(CommandTest, AListIsReadPageByPage) {
  auto first = FakeApi::make(200, R"([{"id":"p1","name":"a","status":"running"}])");
  first.headers.emplace_back("x-next-cursor", "c 1");
  api.answers["GET /v1/pods"].push_back(first);
  api.on("GET /v1/pods?cursor=c%201", 200, R"([{"id":"p2","name":"나","status":"failed"}])");
  EXPECT_EQ(pod_list(commands, {}), exit_ok);
  EXPECT_NE(out().find("p1"), std::string::npos);
  EXPECT_NE(out().find("p2"), std::string::npos);
}

TEST_F(CommandTest, LogsGoToStandardOutputAsTheyAre) {
  api.on("GET /v1/pods/p1", 200, R"({"id":"p1"})");
  api.streams["/v1/pods/p1/logs?follow=true&tail=5"] = std::string("a\033[1m\0b\n", 8);
  PodLogFlags flags;
  flags.follow = true;
  flags.tail = 5;
  EXPECT_EQ(pod_logs(commands, "p1", flags), exit_ok);
  EXPECT_EQ(out(), std::string("a\033[1m\0b\n", 8));
}

TEST_F(CommandTest, ThePageOfAQueuedPodNamesEachHostsReason) {
  api.on(
      "GET /v1/pods/p1", 200,
      R"({"id":"p1","name":"n","status":"queued","gpuCount":2,"gpu":{"id":"NVIDIA A40"},"simulated":true,"reason":null,)"
      R"("queue":{"position":1,"hosts":[{"id":"h1","name":"alpha","reason":{"code":"gpu_too_few","text":"1 of 2 free"}}]}})");
  EXPECT_EQ(pod_get(commands, "p1", {}), exit_ok);
  EXPECT_NE(out().find("alpha: 1 of 2 free"), std::string::npos) << out();
  EXPECT_NE(out().find("2 × NVIDIA A40 (simulated)"), std::string::npos) << out();
}

TEST_F(CommandTest, AHostWithoutItsEngineSaysSoInTheList) {
  api.on(
      "GET /v1/hosts?limit=1000", 200,
      R"([{"id":"h1","name":"alpha","status":"listed","engine":{"name":"docker","reachable":false,"error":"engine unreachable"},"gpus":[]}])");
  EXPECT_EQ(host_list(commands, {}), exit_ok);
  EXPECT_NE(out().find("engine unreachable"), std::string::npos) << out();
}

TEST(Failures, StatusesBecomeExitCodes) {
  const auto exit = [](int status, const char* body) {
    return failure_of(FakeApi::make(status, body), "u", Language::en).exit;
  };
  EXPECT_EQ(exit(400, R"({"code":"invalid_field","detail":"x"})"), exit_usage);
  EXPECT_EQ(exit(401, R"({"code":"key_invalid_in_a_newer_server","detail":"x"})"), exit_log_in);
  EXPECT_EQ(exit(402, "{}"), exit_limit);
  EXPECT_EQ(exit(403, R"({"code":"permission_denied","detail":"no"})"), exit_forbidden);
  EXPECT_EQ(exit(404, "{}"), exit_not_found);
  EXPECT_EQ(exit(408, "{}"), exit_timed_out);
  EXPECT_EQ(exit(409, "{}"), exit_conflict);
  EXPECT_EQ(exit(409, R"({"code":"too_many_api_keys","detail":"x"})"), exit_limit);
  EXPECT_EQ(exit(412, "{}"), exit_conflict);
  EXPECT_EQ(exit(429, "{}"), exit_limit);
  EXPECT_EQ(exit(500, R"({"code":"internal_error","detail":"x"})"), exit_failed);
  EXPECT_EQ(exit(502, "<html>"), exit_unreachable);
  EXPECT_EQ(exit(503, R"({"code":"shutting_down","detail":"x"})"), exit_unreachable);
  EXPECT_EQ(exit(503, R"({"code":"standing_by","detail":"x"})"), exit_unreachable);
  EXPECT_EQ(exit(503, R"({"code":"host_disk_full","detail":"x"})"), exit_limit);
  EXPECT_EQ(exit(504, "<html>"), exit_timed_out);
}

// ---- output ----

class OutputTest : public CommandTest {
 protected:
  std::string printed(Format format, const ListFlags& flags = {}) {
    terminal.format = format;
    const auto before = out().size();
    code = show_list(terminal, Time{}, pod_kind(), pods, flags);
    return out().substr(before);
  }
  int code = 0;
  json::array pods =
      json::parse(
          R"([{"id":"p1","name":"학습, \"1\"","status":"running","gpuCount":1,"gpu":{"id":"NVIDIA A40"},"imageName":"a","ports":["22/tcp"],"createdAt":"1970-01-01T00:00:00.000Z"},)"
          R"({"id":"p2","name":"=1+1","status":"failed","gpuCount":0,"imageName":"b","reason":{"code":"image_not_found","text":"no image b"}}])")
          .as_array();
};

TEST_F(OutputTest, JsonIsTheServersAnswerAndJsonlOneALine) {
  EXPECT_EQ(json::parse(printed(Format::json)), json::value(pods));
  EXPECT_EQ(printed(Format::jsonl), json::serialize(pods[0]) + "\n" + json::serialize(pods[1]) + "\n");
}

TEST_F(OutputTest, NamesAreWhatOtherCommandsTake) { EXPECT_EQ(printed(Format::name), "p1\np2\n"); }

TEST_F(OutputTest, CsvHasStableHeadsAndTheServersWords) {
  const auto text = printed(Format::csv);
  EXPECT_TRUE(text.starts_with("id,name,status,gpu,host,image,age,why\r\n")) << text;
  EXPECT_NE(text.find("p1,\"학습, \"\"1\"\"\",running,1 × NVIDIA A40,"), std::string::npos) << text;
  EXPECT_NE(text.find("p2,'=1+1,failed,CPU,,b,,image_not_found\r\n"), std::string::npos)
      << "a name that looks like a formula must not be run: " << text;
}

TEST_F(OutputTest, YamlCanBeReadAsTheSameThing) {
  const auto text = printed(Format::yaml);
  EXPECT_TRUE(
      text.starts_with("- id: p1\n  name: \"학습, \\\"1\\\"\"\n  status: running\n  gpuCount: 1\n  gpu:\n    id: "
                       "\"NVIDIA A40\"\n  imageName: a\n  ports:\n    - \"22/tcp\"\n"))
      << text;
  EXPECT_EQ(yaml_of(json::parse(R"({"a":"no","b":"12","c":[],"d":null,"e":[[1,2],{"f":true}],"g":0.0,"h":1e30})")),
            "a: \"no\"\nb: \"12\"\nc: []\nd: null\ne:\n  - - 1\n    - 2\n  - f: true\ng: 0.0\nh: 1.0e+30\n");
}

TEST_F(OutputTest, WideShowsMoreAndColumnsChoose) {
  EXPECT_EQ(printed(Format::table).find("22/tcp"), std::string::npos);
  EXPECT_NE(printed(Format::wide).find("22/tcp"), std::string::npos);
  ListFlags flags;
  flags.columns = {"name", "reason.code"};
  EXPECT_EQ(printed(Format::csv, flags), "name,reason.code\r\n\"학습, \"\"1\"\"\",\r\n'=1+1,image_not_found\r\n");
  flags.columns = {"no such column!"};
  printed(Format::table, flags);
  EXPECT_EQ(code, exit_usage);
}

TEST_F(OutputTest, FiltersTakeColumnsAndFields) {
  ListFlags flags;
  flags.filters = {"status=failed", "status=running", "image!=b"};
  EXPECT_EQ(printed(Format::name, flags), "p1\n");
  flags.filters = {"reason.code=image_not_found"};
  EXPECT_EQ(printed(Format::name, flags), "p2\n");
  flags.filters = {"=x"};
  printed(Format::name, flags);
  EXPECT_EQ(code, exit_usage);
}

TEST_F(OutputTest, ColumnsOfMixedScriptsStayAligned) {
  ListFlags flags;
  flags.columns = {"name", "status"};
  terminal.language = Language::ko;
  std::istringstream lines(printed(Format::table, flags));
  std::vector<std::size_t> begins;
  for (std::string line; std::getline(lines, line);) {
    const auto second = line.rfind("  ");
    begins.push_back(display_width(line.substr(0, second)));
  }
  EXPECT_EQ(begins.size(), 3u);
  EXPECT_EQ(std::set<std::size_t>(begins.begin(), begins.end()).size(), 1u) << out();
}

// ---- keys, GPUs ----

TEST_F(CommandTest, AKeyIsPrintedAloneSoThatAScriptCanTakeIt) {
  api.on("POST /v1/apikeys", 201, R"({"id":"k1","name":"ci","scope":"READ","key":"rpa_SECRET"})");
  EXPECT_EQ(key_create(commands, "ci", true), exit_ok);
  EXPECT_EQ(out(), "rpa_SECRET\n");
  EXPECT_EQ(err().find("rpa_SECRET"), std::string::npos);
  EXPECT_EQ(json::parse(api.calls.back().body), json::parse(R"({"scope":"READ","name":"ci"})"));
}

TEST_F(CommandTest, AKeyIsFoundByIdOrByANameThatOnlyOneHas) {
  api.on("GET /v1/apikeys", 200, R"([{"id":"k1","name":"ci"},{"id":"k2","name":"old"},{"id":"k3","name":"old"}])");
  api.on("PATCH /v1/apikeys/k1", 200, R"({"id":"k1","name":"ci","enabled":false})");
  api.on("DELETE /v1/apikeys/k2", 204, "");
  EXPECT_EQ(key_enable(commands, "ci", false), exit_ok);
  EXPECT_EQ(api.calls.back().body, R"({"enabled":false})");
  EXPECT_EQ(key_delete(commands, {"k2"}, true), exit_ok);
  EXPECT_EQ(key_delete(commands, {"old"}, true), exit_usage) << "which of the two?";
  EXPECT_EQ(key_enable(commands, "nobody", true), exit_not_found);
}

TEST_F(CommandTest, GpusAreListedWithWhatIsFree) {
  api.on("GET /v1/gpus", 200,
         R"([{"id":"NVIDIA A40","memoryInGb":48,"total":8,"free":3,"mostFreeOnOneHost":2,"simulated":true}])");
  EXPECT_EQ(gpu_list(commands, {}), exit_ok);
  EXPECT_NE(out().find("NVIDIA A40 (simulated)"), std::string::npos) << out();
  terminal.format = Format::name;
  EXPECT_EQ(gpu_list(commands, {}), exit_ok);
  EXPECT_TRUE(out().ends_with("\nNVIDIA A40\n")) << out();
}

TEST_F(CommandTest, PsLeavesOutWhatHasEnded) {
  api.on("GET /v1/pods", 200,
         R"([{"id":"p1","status":"running"},{"id":"p2","status":"stopped"},{"id":"p3","status":"queued"}])");
  terminal.format = Format::name;
  PodListFlags flags;
  flags.only_active = true;
  EXPECT_EQ(pod_list(commands, flags), exit_ok);
  EXPECT_EQ(out(), "p1\np3\n");
}

// ---- what destroys ----

TEST_F(CommandTest, WhatDestroysNamesTheServerFirst) {
  commands.context = "prod (https://gyre.example.com)";
  api.on("GET /v1/pods/p1", 200, R"({"id":"p1","name":"n"})");
  api.on("DELETE /v1/pods/p1", 204, "");
  EXPECT_EQ(pod_delete(commands, {"p1"}, true, {}), exit_ok);
  EXPECT_TRUE(err().starts_with("context: prod (https://gyre.example.com)\n")) << err();
}

TEST_F(CommandTest, WithoutInputAnUnconfirmedDeleteIsRefusedAndNothingIsSent) {
  terminal.may_ask = false;
  api.on("GET /v1/pods/p1", 200, R"({"id":"p1","name":"n"})");
  EXPECT_EQ(pod_delete(commands, {"p1"}, false, {}), exit_usage);
  EXPECT_NE(err().find("confirmation_needed"), std::string::npos) << err();
  EXPECT_EQ(api.calls.back().method, "GET");
}

TEST_F(CommandTest, AnUpdateSendsOnlyWhatChangesAndKeepsOtherVariables) {
  api.on("GET /v1/pods/p1", 200, R"({"id":"p1","name":"n","desiredStatus":"RUNNING","env":{"A":"1","B":"2"}})");
  api.on("PATCH /v1/pods/p1", 200, R"({"id":"p1","name":"n","status":"running"})");
  PodUpdateFlags flags;
  flags.env = {"B=3"};
  flags.locked = true;
  EXPECT_EQ(pod_update(commands, "p1", flags, {}), exit_ok);
  EXPECT_EQ(json::parse(api.calls.back().body), json::parse(R"({"env":{"A":"1","B":"3"},"locked":true})"));
  EXPECT_EQ(pod_update(commands, "p1", {}, {}), exit_usage);
}

// ---- contexts as commands, and the project's file ----

class ContextCommandTest : public CommandTest {
 protected:
  ContextCommandTest() {
    std::string name = (std::filesystem::temp_directory_path() / "gyre-cli-XXXXXX").string();
    dir_ = ::mkdtemp(name.data());
    file_ = dir_ + "/config.yaml";
  }
  ~ContextCommandTest() override { std::filesystem::remove_all(dir_); }
  ContextCommands here() { return {terminal, file_, {{"HOME", dir_}}}; }
  std::string dir_, file_;
};

TEST_F(ContextCommandTest, AServerIsAddedUsedAndRemoved) {
  ContextAddFlags add;
  add.name = "prod";
  add.server = "https://gyre.example.com";
  add.api_key = "rpa_SECRET";
  EXPECT_EQ(context_add(here(), add), exit_ok);
  EXPECT_EQ(context_add(here(), add), exit_conflict) << "a saved key must not be lost by a second add";
  add.name = "lab";
  add.server = "http://lab:8080";
  EXPECT_EQ(context_add(here(), add), exit_ok);
  EXPECT_EQ(context_use(here(), "lab"), exit_ok);
  EXPECT_EQ(read_contexts(file_)->current, "lab");
  EXPECT_EQ(context_use(here(), "nowhere"), exit_not_found);
  EXPECT_EQ(context_remove(here(), "lab", true), exit_ok);
  EXPECT_EQ(read_contexts(file_)->by_name.size(), 1u);
  EXPECT_EQ(read_contexts(file_)->current, "");
  terminal.format = Format::json;
  EXPECT_EQ(context_list(here(), {}), exit_ok);
  EXPECT_EQ(out().find("rpa_SECRET"), std::string::npos) << "keys are never listed";
  struct stat status {};
  ASSERT_EQ(::stat(file_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(ContextCommandTest, AKeyComesFromAFileWithoutItsLineBreak) {
  std::ofstream(dir_ + "/key") << "rpa_FILE\n";
  ContextAddFlags add;
  add.name = "a";
  add.server = "http://a:1";
  add.key_file = dir_ + "/key";
  EXPECT_EQ(context_add(here(), add), exit_ok);
  EXPECT_EQ(read_contexts(file_)->by_name.at("a").api_key, "rpa_FILE");
}

TEST_F(ContextCommandTest, TheProjectsFileWinsOverWhatIsSavedAndLosesToTheEnvironment) {
  Contexts contexts;
  remember(contexts, "local", {"http://saved:1", "saved-key", ""});
  remember(contexts, "team", {"http://team:1", "team-key", ""});
  std::filesystem::create_directories(dir_ + "/project/deep");
  std::ofstream(dir_ + "/project/.gyre.yaml") << "context: team\n";
  const std::map<std::string, std::string> environment{{"HOME", dir_}};
  const auto project = find_project_file(dir_ + "/project/deep", environment);
  ASSERT_TRUE(project && *project);
  EXPECT_EQ(choose({}, {}, contexts, *project)->context.api_key, "team-key");
  EXPECT_EQ(choose({}, {}, contexts, *project)->source, Source::project);
  EXPECT_EQ(choose({}, {{"GYRE_CONTEXT", "local"}}, contexts, *project)->context.server, "http://saved:1");
  EXPECT_EQ(
      choose({.server = "", .api_key = "", .context = "local"}, {{"GYRE_SERVER", "http://env:1"}}, contexts, *project)
          ->context.server,
      "http://saved:1")
      << "a flag wins over all";
}

TEST_F(ContextCommandTest, AProjectOfSomebodyElseGetsNoKeyOfOurs) {
  Contexts contexts;
  remember(contexts, "local", {"http://saved:1", "saved-key", ""});
  std::ofstream(dir_ + "/.gyre.yaml") << "server: http://evil:1\n";
  const auto project = find_project_file(dir_, {});
  ASSERT_TRUE(project && *project);
  EXPECT_EQ(choose({}, {}, contexts, *project)->context.api_key, "");
  std::ofstream(dir_ + "/.gyre.yaml") << "api_key: rpa_X\n";
  EXPECT_EQ(find_project_file(dir_, {}).error().reason, Reason::key_in_project_file);
}

TEST(Stages, APullSaysHowLongItWillTake) {
  const auto stage = stage_of(
      json::parse(
          R"({"status":"provisioning","progress":{"phase":"downloading","percent":42,"bytesDone":42000000,"bytesTotal":100000000,"bytesPerSecond":5000000,"secondsLeft":12}})"),
      Language::en);
  EXPECT_EQ(stage.detail, "pulling the image 42% (42.0 MB of 100 MB, 5.0 MB/s), about 12s left");
}

}  // namespace
}  // namespace gyre::cli
