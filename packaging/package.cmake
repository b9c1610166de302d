# The Debian package: `make package`, or `cpack -G DEB` in a build folder. What it depends on is read from the binary
# (dpkg-shlibdeps). Layout: /usr/bin/rapport, /etc/rapport.json (a conffile), the systemd unit, mappings, documents.
install(TARGETS rapport RUNTIME DESTINATION usr/bin COMPONENT package)
install(FILES ${CMAKE_SOURCE_DIR}/packaging/rapport.service DESTINATION lib/systemd/system COMPONENT package)
install(FILES ${CMAKE_SOURCE_DIR}/packaging/rapport.json DESTINATION etc COMPONENT package)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/mappings DESTINATION usr/share/rapport COMPONENT package)
install(FILES ${CMAKE_SOURCE_DIR}/docs/OPERATIONS.md ${CMAKE_SOURCE_DIR}/docs/API.md ${CMAKE_SOURCE_DIR}/docs/IMPORT.md
  DESTINATION usr/share/doc/rapport COMPONENT package)
install(FILES ${CMAKE_SOURCE_DIR}/packaging/copyright DESTINATION usr/share/doc/rapport COMPONENT package)
find_program(GZIP gzip)
if(GZIP)
  set(changelog ${CMAKE_BINARY_DIR}/changelog.gz)
  execute_process(COMMAND ${GZIP} -9 -n -c ${CMAKE_SOURCE_DIR}/CHANGELOG.md OUTPUT_FILE ${changelog})
  # Debian's own form of it, with a fixed date: the same sources give the same package.
  set(debian_changelog ${CMAKE_BINARY_DIR}/changelog.Debian)
  file(WRITE ${debian_changelog} "rapport (${PROJECT_VERSION}-1) unstable; urgency=medium\n\n  * See changelog.gz.\n\n"
    " -- Rapport <rapport@localhost>  Thu, 01 Jan 2026 00:00:00 +0000\n")
  execute_process(COMMAND ${GZIP} -9 -n -c ${debian_changelog} OUTPUT_FILE ${debian_changelog}.gz)
  install(FILES ${changelog} ${debian_changelog}.gz DESTINATION usr/share/doc/rapport COMPONENT package)
endif()

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME rapport)
set(CPACK_PACKAGE_VENDOR "Rapport")
set(CPACK_PACKAGE_CONTACT "Rapport <rapport@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "personalization engine: what to show to each customer")
set(CPACK_PACKAGE_DESCRIPTION "Keeps customers' profiles and histories in an embedded store, learns
 from them, and decides what to show to whom, when and by which way.
 One process, one folder, HTTP.")
set(CPACK_PACKAGING_INSTALL_PREFIX /)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL package)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION web)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "adduser")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
  ${CMAKE_SOURCE_DIR}/packaging/conffiles ${CMAKE_SOURCE_DIR}/packaging/postinst
  ${CMAKE_SOURCE_DIR}/packaging/prerm ${CMAKE_SOURCE_DIR}/packaging/postrm)
include(CPack)
