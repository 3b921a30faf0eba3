// The wire of hosts: paths, bodies and answers over HostService.
#pragma once

#include "fleet/host_service.hpp"
#include "http/router.hpp"
#include "json/codec.hpp"

namespace gyre {

// `public_url`: what a new host is told to join, e.g. "https://gyre.example.com".
std::vector<http::Route> host_routes(HostService& hosts, json::UnknownKeys unknown, std::string public_url,
                                     std::string ca_certificate, std::vector<std::string> agents_addresses);

}  // namespace gyre
