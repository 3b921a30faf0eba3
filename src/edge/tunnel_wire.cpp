#include "edge/tunnel_wire.hpp"

#include <cstring>

namespace gyre::edge {
namespace {

using http::WireOwner;

class TunnelWire final : public http::Wire, public std::enable_shared_from_this<TunnelWire> {
 public:
  TunnelWire(http::Loop& loop, std::shared_ptr<link::Carry> carry) : loop_(loop), carry_(std::move(carry)) {}
  ~TunnelWire() override {
    if (!closed_) carry_->cancel();
  }

  void open(const std::shared_ptr<WireOwner>& owner) override {
    owner_ = owner;
    // The carry holds these, and they hold us only while the loop lets go of what it has heard.
    const auto to_loop = [loop = loop_.weak_from_this(), weak = weak_from_this()](auto what) {
      return [loop, weak, what](auto... news) {
        if (const auto to = loop.lock())
          to->post([weak, what, ... news = std::move(news)]() mutable {
            if (const auto self = weak.lock(); self && !self->closed_) what(*self, std::move(news)...);
          });
      };
    };
    link::Carry::Events events;
    events.read = to_loop([](TunnelWire& self, std::string bytes, bool last) { self.heard(std::move(bytes), last); });
    events.written = to_loop([](TunnelWire& self) { self.written(); });
    events.broken = to_loop([](TunnelWire& self) { self.broke(); });
    carry_->attach(std::move(events));
    later([](TunnelWire& self) {
      if (const auto to = self.owner_.lock()) to->on_open();
    });
  }
  void hand_to(const std::shared_ptr<WireOwner>& owner) override { owner_ = owner; }

  void read(char* into, std::size_t max) override {
    into_ = into;
    max_ = max;
    if (!left_.empty() || last_ || broken_)
      later([](TunnelWire& self) { self.give(); });
    else
      carry_->read();
  }

  void write(std::string_view bytes) override {
    bytes = bytes.substr(0, link::Carry::frame_bytes);
    writing_ = bytes.size();
    if (broken_ || our_end_) return later([](TunnelWire& self) { self.tell_written(false); });
    carry_->write(std::string(bytes), false);
  }

  void end_writes() override {
    if (broken_ || our_end_) return;
    our_end_ = true;
    carry_->write({}, true);
  }

  void finish() override {
    end_writes();
    later([](TunnelWire& self) {
      if (const auto to = self.owner_.lock()) to->on_gone();
    });
  }

  void close(bool) override {
    closed_ = true;
    carry_->cancel();
  }

  void wake_at(http::TimePoint) override {}  // its owner's deadlines are kept by the client's wire

 private:
  template <class What>
  void later(What what) {
    loop_.post([weak = weak_from_this(), what] {
      if (const auto self = weak.lock(); self && !self->closed_) what(*self);
    });
  }

  void heard(std::string bytes, bool last) {
    left_ = std::move(bytes);
    at_ = 0;
    last_ = last;
    give();
  }

  void give() {
    if (into_ == nullptr) return;
    const auto to = owner_.lock();
    if (!to) return;
    auto* into = std::exchange(into_, nullptr);
    const auto size = std::min(max_, left_.size() - at_);
    if (size > 0) {
      std::memcpy(into, left_.data() + at_, size);
      at_ += size;
      if (at_ == left_.size()) {
        left_ = {};
        at_ = 0;
      }
      return to->on_read(WireOwner::Read::bytes, size);
    }
    if (last_) return to->on_read(WireOwner::Read::end, 0);
    if (broken_) return to->on_read(WireOwner::Read::broken, 0);
    into_ = into;
    carry_->read();  // an empty frame
  }

  void written() {
    if (writing_ > 0) tell_written(true);  // zero: it was our end
  }
  void tell_written(bool ok) {
    const auto size = std::exchange(writing_, 0);
    if (const auto to = owner_.lock()) to->on_written(ok, ok ? size : 0);
  }

  void broke() {
    broken_ = true;
    const auto self = shared_from_this();
    if (writing_ > 0) tell_written(false);
    if (!closed_) give();
  }

  http::Loop& loop_;
  const std::shared_ptr<link::Carry> carry_;
  std::weak_ptr<WireOwner> owner_;
  char* into_ = nullptr;
  std::size_t max_ = 0, writing_ = 0, at_ = 0;
  std::string left_;
  bool last_ = false, broken_ = false, our_end_ = false, closed_ = false;
};

}  // namespace

std::shared_ptr<http::Wire> tunnel_wire(http::Loop& loop, std::shared_ptr<link::Carry> carry) {
  return std::make_shared<TunnelWire>(loop, std::move(carry));
}

}  // namespace gyre::edge
