// Boost's own function bodies, compiled once instead of in every unit that includes them; nothing of ours.
#include <boost/asio/ssl/impl/src.hpp>
