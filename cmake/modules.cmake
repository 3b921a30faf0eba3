# gyre_module(NAME SOURCES ... DEPS ... LINK ... TESTS ... TEST_DEPS ...)
#   NAME       the folder's name; the library is gyre_NAME
#   SOURCES    .cpp files
#   DEPS       other folders, without the prefix
#   LINK       third-party targets, private to this folder
#   TESTS      *_test.cpp files, one gtest binary per folder: NAME_test
#   TEST_DEPS  folders that only the tests need
add_library(gyre_flags INTERFACE)
target_compile_options(gyre_flags INTERFACE
  -Wall -Wextra -Wconversion -Wshadow -Wnon-virtual-dtor -Werror -fno-strict-aliasing
  -Wno-missing-field-initializers  # {.limit = 5} leaves the other members at their defaults on purpose
  $<$<CXX_COMPILER_ID:Clang>:-Wno-sign-conversion -Wno-unused-command-line-argument -Wno-gnu-statement-expression>
  $<$<CXX_COMPILER_ID:GNU>:-Wno-sign-conversion>)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND (CMAKE_BUILD_TYPE STREQUAL Release OR GYRE_SANITIZE))
  # g++ 12 sees overlaps and overruns in its own std::string once it optimizes, which the sanitizers' presets do too (GCC
  # bugs 105329, 105651); address sanitizer and clang look for real ones.
  target_compile_options(gyre_flags INTERFACE -Wno-array-bounds -Wno-restrict -Wno-stringop-overflow
    -Wno-stringop-overread -Wno-maybe-uninitialized)
endif()
target_compile_definitions(gyre_flags INTERFACE
  BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED
  GYRE_VERSION="${PROJECT_VERSION}")
if(GYRE_SANITIZE)
  target_compile_options(gyre_flags INTERFACE -fsanitize=${GYRE_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(gyre_flags INTERFACE -fsanitize=${GYRE_SANITIZE})
  if(GYRE_SANITIZE MATCHES thread)
    target_compile_options(gyre_flags INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-tsan>)
  else()
    target_compile_options(gyre_flags INTERFACE -fno-sanitize-recover=all)
  endif()
endif()
# Boost.JSON is in the precompiled header: its definitions must be the same everywhere, or the header is not used.
target_link_libraries(gyre_flags INTERFACE Threads::Threads Boost::json Boost::url)

if(GYRE_PCH)
  add_library(gyre_pch OBJECT ${CMAKE_SOURCE_DIR}/cmake/pch.cpp)
  target_link_libraries(gyre_pch PRIVATE gyre_flags)
  target_precompile_headers(gyre_pch PRIVATE ${CMAKE_SOURCE_DIR}/cmake/pch.hpp)
endif()

function(gyre_target_defaults target)
  target_include_directories(${target} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(${target} PUBLIC gyre_flags)
  if(GYRE_PCH)
    target_precompile_headers(${target} REUSE_FROM gyre_pch)
  endif()
endfunction()

function(gyre_module NAME)
  cmake_parse_arguments(ARG "NO_PCH" "" "SOURCES;DEPS;LINK;TESTS;TEST_DEPS" ${ARGN})
  set(saved_pch ${GYRE_PCH})
  if(ARG_NO_PCH)
    set(GYRE_PCH OFF)
  endif()
  if(ARG_SOURCES)
    add_library(gyre_${NAME} STATIC ${ARG_SOURCES})
    gyre_target_defaults(gyre_${NAME})
  else()
    add_library(gyre_${NAME} INTERFACE)
    target_include_directories(gyre_${NAME} INTERFACE ${CMAKE_SOURCE_DIR}/src)
  endif()
  foreach(dep ${ARG_DEPS})
    if(ARG_SOURCES)
      target_link_libraries(gyre_${NAME} PUBLIC gyre_${dep})
    else()
      target_link_libraries(gyre_${NAME} INTERFACE gyre_${dep})
    endif()
  endforeach()
  if(ARG_LINK AND ARG_SOURCES)
    target_link_libraries(gyre_${NAME} PUBLIC ${ARG_LINK})
  endif()
  set(GYRE_PCH ${saved_pch})
  if(ARG_TESTS)
    add_executable(${NAME}_test ${ARG_TESTS})
    gyre_target_defaults(${NAME}_test)
    target_link_libraries(${NAME}_test PRIVATE gyre_${NAME} GTest::gtest GTest::gtest_main)
    foreach(dep ${ARG_TEST_DEPS})
      target_link_libraries(${NAME}_test PRIVATE gyre_${dep})
    endforeach()
    add_test(NAME ${NAME} COMMAND ${NAME}_test)
    set_tests_properties(${NAME} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 900
      WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  endif()
endfunction()
