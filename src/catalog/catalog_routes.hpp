// /v1/catalog: what can be rented and what it costs.
#pragma once

#include "catalog/catalog_service.hpp"
#include "http/router.hpp"
#include "json/codec.hpp"

namespace gyre {

std::vector<http::Route> catalog_routes(CatalogService& catalog, json::UnknownKeys unknown);

}  // namespace gyre
