"""The operator's page: web server and page files. Knows neither ROS nor torch."""
