# cmake -DOUT=FILE -DDIR=FOLDER -DHEADER=FILE -DTYPE=STRUCT -DFUNCTION=NAME [-DMADE=FOLDER] -P embed_assets.cmake: files
# of pages as C++ strings, by name: FUNCTION of gyre::server returns them as TYPEs, both declared in HEADER. MADE holds
# those that the build has made.
file(GLOB files ${DIR}/*.html ${DIR}/*.css ${DIR}/*.js ${DIR}/*.svg)
if(MADE)
  file(GLOB made ${MADE}/*.html ${MADE}/*.css ${MADE}/*.js)
  list(APPEND files ${made})
endif()
list(SORT files)
set(text "// Made by cmake/embed_assets.cmake.\n#include \"${HEADER}\"\n\nnamespace gyre::server {\n\n")
string(APPEND text "const std::vector<${TYPE}>& ${FUNCTION}() {\n  static const std::vector<${TYPE}> all{\n")
foreach(file ${files})
  get_filename_component(name ${file} NAME)
  file(READ ${file} content)
  string(APPEND text "      {\"${name}\", R\"gyre_asset(${content})gyre_asset\"},\n")
endforeach()
string(APPEND text "  };\n  return all;\n}\n\n}  // namespace gyre::server\n")
file(WRITE ${OUT} "${text}")
